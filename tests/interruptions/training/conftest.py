"""Training runs to interrupt, and how they are compared."""

import csv
import functools
import io
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pytest

from tests.interruptions.fork_server import ForkServer, Outcome, job
from trainer.checkpoint_files import checkpoints_in

DISK_BYTES = 8_000_000
SIZE = ("--image_size=16", "--batch_size=4", "--precision=float32", "--nopictures", "--noaudit")
# Without a cache a run is ready sooner, and its weights are the same.
FLAGS = (
    "--epochs=2", "--checkpoint_every=3", "--average_decay=0.9", "--summary_every=2", "--cache=none"
)  # fmt: skip
REPLICAS = ("--strategy=mirrored", "--virtual_devices=2")
LONGER = ("--schedule=constant", "--unwarped_fraction=0", "--warmup_fraction=0")
BEST = ("--epochs=8", "--keep_best", "--early_stopping=2", "--learning_rate=0.05")
UNDISTURBED = {
    "usual": FLAGS,
    "with pictures": (*FLAGS, "--pictures", "--audit"),
    "2 replicas": (*FLAGS, *REPLICAS),
    "1 epoch": ("--epochs=1", *LONGER),
    "3 epochs": ("--epochs=3", *LONGER),
    "best": BEST,
}
TIMES = {"train_images_per_second", "train_input_wait_fraction"}
# Of these, only when they were written is the same in all runs: they hold times, paths, or the
# names of layers, which Keras counts on in a process.
TIME_TAGS = {
    "speed/images_per_second", "speed/input_wait_fraction", "run/configuration", "run/report",
    "keras", "final/seconds", "final/images_per_second",
}  # fmt: skip


class Ending(NamedTuple):
    """What a finished run has come to, without its times.

    Attributes:
        model: The weights in `model.keras`.
        arrays: Those in the last checkpoint, with its step.
        history: The rows of `history.csv`.
        events: (directory, tag) -> (step, value) in the order of TensorBoard; values that tell of
            times are None.
    """

    model: dict[str, np.ndarray]
    arrays: dict[str, np.ndarray]
    history: list[dict[str, str]]
    events: dict[tuple[str, str], list[tuple[int, Any]]]


class Trainings(ForkServer):
    """Runs on one tiny set: 3 steps an epoch, 6 in all, unless flags say otherwise.

    Attributes:
        data_dir: That set.
    """

    def __init__(self, base: Path, data_dir: Path):
        self._base, self.data_dir = base, data_dir
        super().__init__("tests.interruptions.trainings", base / "disk", DISK_BYTES)

    def job(self, run_dir: Path, *flags: str, **how: Any) -> dict[str, Any]:
        """A run to be carried out; see `fork_server.job` and `trainings.prepare`."""
        data_dir = () if any("--data_dir" in f for f in flags) else (f"--data_dir={self.data_dir}",)
        return job(run_dir, *data_dir, *SIZE, *flags, **how)

    def run(self, run_dir: Path, *flags: str, **how: Any) -> Outcome:
        (outcome,) = self.run_together(self.job(run_dir, *flags, **how))
        return outcome

    @functools.cached_property
    def _undisturbed(self) -> dict[str, tuple[Path, Outcome]]:
        rows = [["usual", "1 epoch", "3 epochs"], ["2 replicas", "best", "with pictures"]]
        paths = {name: self._base / name / "run" for row in rows for name in row}
        jobs = [[self.job(paths[name], *UNDISTURBED[name]) for name in row] for row in rows]
        found = {}
        for row, outcomes in zip(rows, self.run_rows(*jobs), strict=True):
            for name, outcome in zip(row, outcomes, strict=True):
                assert (outcome.status, outcome.errors) == (0, "")
                found[name] = paths[name], outcome
        return found

    def undisturbed(self, name: str = "usual") -> Path:
        """The run directory of a run with the flags of that name that nothing has interrupted."""
        return self._undisturbed[name][0]

    def examples(self) -> dict[int, str]:
        """Step -> a number for the examples that it took in the usual run."""
        return examples(self._undisturbed["usual"][1])


def examples(*outcomes: Outcome) -> dict[int, str]:
    """Step -> a number for its examples, of runs of which each goes on from another."""
    steps = [text.split() for outcome in outcomes for text in outcome.steps]
    return {int(words[1]): words[2] for words in steps if words[0] == "train"}


@pytest.fixture(scope="package", autouse=True)
def forks() -> None:
    """No conversions are interrupted here, so that nothing need be ready to carry them out."""


@pytest.fixture(scope="package")
def trainings(
    tmp_path_factory: pytest.TempPathFactory, make_finished_set: Callable[..., Path]
) -> Iterator[Trainings]:
    data_dir = make_finished_set(shards=2, validation_fraction=0.2)
    trainings = Trainings(tmp_path_factory.mktemp("trainings"), data_dir)
    yield trainings
    trainings.close()


def read_ending(run_dir: Path) -> Ending:
    with (run_dir / "history.csv").open() as file:
        rows = [{k: v for k, v in row.items() if k not in TIMES} for row in csv.DictReader(file)]
    newest = checkpoints_in(run_dir / "checkpoints")[-1]
    return Ending(_model(run_dir), {**_arrays(newest)}, rows, _events(run_dir))


@pytest.fixture(scope="session")
def assert_same() -> Callable[..., None]:
    """Asserts that two runs have ended with the same, bit for bit.

    Args:
        without: Directories whose events the first run does not have.
    """

    def check(got: Path, expected: Path, without: Sequence[str] = ()) -> None:
        one, other = read_ending(got), read_ending(expected)
        for part in ("model", "arrays"):
            assert getattr(one, part).keys() == getattr(other, part).keys()
            for name, array in getattr(one, part).items():
                np.testing.assert_array_equal(array, getattr(other, part)[name], err_msg=name)
        assert one.history == other.history
        events = {key: value for key, value in other.events.items() if key[0] not in without}
        assert one.events == events

    return check


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as entries:
        arrays = {name: entries[name] for name in entries.files if name != "meta.json"}
    return arrays | {"step": np.array(path.name)}


def _model(run_dir: Path) -> dict[str, np.ndarray]:
    found = {}
    with zipfile.ZipFile(run_dir / "model.keras") as archive:
        weights = archive.read("model.weights.h5")
    with h5py.File(io.BytesIO(weights)) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    return found


def _events(run_dir: Path) -> dict[tuple[str, str], list[tuple[int, Any]]]:
    import tensorflow as tf
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def value(tag: str, tensor: Any) -> Any:
        return None if tag in TIME_TAGS else tf.make_ndarray(tensor).tolist()

    found = {}
    for directory in sorted({path.parent for path in run_dir.rglob("*.tfevents.*")}):
        events = EventAccumulator(str(directory), size_guidance={"tensors": 0}).Reload()
        for tag in events.Tags()["tensors"]:
            found[os.path.relpath(directory, run_dir), tag] = [
                (point.step, value(tag, point.tensor_proto)) for point in events.Tensors(tag)
            ]
    return found
