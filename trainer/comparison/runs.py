"""What a run directory says of its run, read without TensorFlow."""

import csv
import dataclasses
import json
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipelines.runtime.errors import InputError
from trainer.checkpoint import DamagedCheckpointError, read_meta
from trainer.checkpoint_files import DIRECTORY, checkpoints_in
from trainer.config import CONFIG_NAME
from trainer.model_description import DESCRIPTION_NAME
from trainer.run_files import HISTORY_NAME, REPORT_JSON


@dataclasses.dataclass(frozen=True)
class EvaluatedEpoch:
    """How well a run did after an epoch.

    Attributes:
        epoch: Counted from 1.
        loss: Mean cross-entropy on the evaluated split.
        accuracy: Share of the evaluated split that is classified right.
        images_per_second: Training images over the time spent in the epoch's steps.
    """

    epoch: int
    loss: float
    accuracy: float
    images_per_second: float


@dataclasses.dataclass(frozen=True)
class Run:
    """A run, finished or not.

    Attributes:
        directory: The run directory.
        flags: As `config.json` has them.
        epochs: Those that are over and evaluated.
        evaluated_split: 'validation' where the set has one, else 'test'.
        report: As `report.json` has it; None for a run that is not finished.
        data: The fingerprint of its data; None where that is not known.
        data_name: What they are called, or nothing.
        parameters: Of its model; None where that is not known.
        multiply_adds: Of its model, an image; None where that is not known.
    """

    directory: Path
    flags: dict[str, Any]
    epochs: tuple[EvaluatedEpoch, ...]
    evaluated_split: str
    report: dict[str, Any] | None = None
    data: str | None = None
    data_name: str = ""
    parameters: int | None = None
    multiply_adds: int | None = None

    @property
    def name(self) -> str:
        """The directory's."""
        return self.directory.resolve().name

    @property
    def is_finished(self) -> bool:
        return self.report is not None

    @property
    def result(self) -> EvaluatedEpoch | None:
        """The epoch whose weights the run keeps, of those so far: the last, or the best."""
        if not self.epochs:
            return None
        if self.flags.get("keep_best"):
            return min(self.epochs, key=lambda epoch: epoch.loss)
        return self.epochs[-1]

    @property
    def images_per_second(self) -> float | None:
        """Median over the epochs: in the first one it is compiled, and images are decoded."""
        rates = [epoch.images_per_second for epoch in self.epochs]
        return statistics.median(rates) if rates else None


def read_runs(paths: Sequence[str]) -> list[Run]:
    """The runs in some places, each once.

    Args:
        paths: Run directories, or directories in which run directories are.

    Raises:
        InputError: for a path without a run, or a file of a run that cannot be read.
    """
    directories: dict[Path, Path] = {}
    for path in paths:
        for directory in _run_directories(Path(path).expanduser()):
            directories.setdefault(directory.resolve(), directory)
    return [read_run(directory) for directory in directories.values()]


def read_run(directory: Path) -> Run:
    """What a run directory says.

    Raises:
        InputError: if a file in it cannot be read.
    """
    try:
        flags = _json(directory / CONFIG_NAME)
        report = _json(directory / REPORT_JSON)
        is_finished = report is not None
        _check_fields(flags, ("epochs",))
        _check_fields(report, ("accuracy", "macro_f1", "train_seconds"))
        description = (_json(directory / DESCRIPTION_NAME) if is_finished else None) or {}
        meta = {} if is_finished else _newest_meta(directory)
        epochs = _from_history(directory) if is_finished else _from_records(meta)
        return Run(
            directory=directory,
            flags=flags or {},
            epochs=tuple(epochs),
            evaluated_split="validation" if (directory / "validation").is_dir() else "test",
            report=report,
            data=description.get("data_fingerprint", meta.get("data")),
            data_name=description.get("data_name", ""),
            parameters=description.get("parameters"),
            multiply_adds=description.get("multiply_adds"),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"received the run {directory}, of which a file cannot be read ({error}), expected one "
            "as trainer.main writes it; leave it out, or train again."
        ) from error


def _run_directories(path: Path) -> list[Path]:
    if (path / CONFIG_NAME).is_file():
        return [path]
    if not path.is_dir():
        raise InputError(
            f"received {path}, which is no directory, expected a run directory or a directory of "
            "them; see to the path."
        )
    found = sorted(child for child in path.iterdir() if (child / CONFIG_NAME).is_file())
    if not found:
        raise InputError(
            f"received {path}, in which there is no run, expected a run directory or a directory "
            "of them; see to the path."
        )
    return found


def _json(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if not isinstance(document, dict):
        raise ValueError(f"{path.name} holds no object")
    return document


def _check_fields(document: dict[str, Any] | None, names: Sequence[str]) -> None:
    """Raises a KeyError for a document that is there and lacks one of its fields."""
    if document is not None and (missing := set(names) - document.keys()):
        raise KeyError(*sorted(missing))


def _newest_meta(directory: Path) -> dict[str, Any]:
    for path in reversed(checkpoints_in(directory / DIRECTORY)):
        try:
            return read_meta(path)
        except (DamagedCheckpointError, OSError):
            continue  # the trainer will say so when it goes on
    return {}


def _from_history(directory: Path) -> Iterator[EvaluatedEpoch]:
    with (directory / HISTORY_NAME).open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield EvaluatedEpoch(
                epoch=int(row["epoch"]),
                loss=float(row["eval_loss"]),
                accuracy=float(row["eval_accuracy"]),
                images_per_second=float(row["train_images_per_second"]),
            )


def _from_records(meta: dict[str, Any]) -> Iterator[EvaluatedEpoch]:
    for record in meta["state"]["records"] if meta else ():
        yield EvaluatedEpoch(
            epoch=record["epoch"],
            loss=record["eval"]["loss"],
            accuracy=record["eval"]["accuracy"],
            images_per_second=record["train"]["images_per_second"],
        )
