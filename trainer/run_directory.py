"""The directory that a run leaves behind: one run's, and written by one process at a time."""

import contextlib
import datetime
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from pipelines.directory_lock import locked
from pipelines.errors import InputError
from trainer.config import CONFIG_NAME
from trainer.report import REPORT_JSON
from trainer.whole_file import whole_file

MODEL_NAME = "model.keras"


@contextlib.contextmanager
def run_directory(wanted: str | None, data_name: str) -> Iterator[Path]:
    """Makes the run directory unless it is there, and keeps other trainers out of it.

    Args:
        wanted: Its path; a new `runs/DATA-TIME` unless given.
        data_name: Of the data set, for its name.

    Raises:
        InputError: if it cannot be made, or another trainer is at work in it.
    """
    run_dir = Path(wanted).expanduser() if wanted else Path("runs")
    with contextlib.ExitStack() as stack:
        try:
            if wanted:
                is_new = not run_dir.exists()
                run_dir.mkdir(parents=True, exist_ok=True)
            else:
                is_new, run_dir = True, _new_directory(run_dir, data_name)
            stack.enter_context(locked(run_dir))
        except BlockingIOError as error:
            raise InputError(
                f"received --run_dir={run_dir}, in which another trainer is at work, expected one "
                "writer; wait for it to end, or choose another."
            ) from error
        except OSError as error:
            if not run_dir.is_dir():
                raise InputError(
                    f"received --run_dir={run_dir}, expected a directory that can be made "
                    f"({error.strerror}); choose another."
                ) from error
            # A file system without locks: it is the user who sees to it that there is one writer.
        try:
            yield run_dir
        except InputError:
            if is_new:
                with contextlib.suppress(OSError):  # something is in it
                    run_dir.rmdir()
            raise


def config_in(run_dir: Path) -> dict[str, Any] | None:
    """The config of the run that `run_dir` holds; None if it is empty.

    Raises:
        InputError: if it holds anything else, or the config cannot be read.
    """
    path = run_dir / CONFIG_NAME
    try:
        if path.exists():
            config = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(config, dict) or "epochs" not in config:
                raise ValueError("it is not a run's")
            return config
        # A kill may have come before the config was whole; that file is hidden.
        occupied = any(not found.name.startswith(".") for found in run_dir.iterdir())
    except (OSError, ValueError) as error:
        raise InputError(
            f"received --run_dir={run_dir}, whose {CONFIG_NAME} cannot be read ({error}), expected "
            "a run, or a new or empty directory; choose another."
        ) from error
    if occupied:
        raise InputError(
            f"received --run_dir={run_dir}, which holds something that is no run, expected a run, "
            "or a new or empty directory; choose another."
        )
    return None


def is_finished(run_dir: Path) -> bool:
    """Whether the run has come to its report, which is written last."""
    return (run_dir / REPORT_JSON).exists()


def begin_again(run_dir: Path) -> None:
    """Takes the mark of a finished run off one that goes on."""
    (run_dir / REPORT_JSON).unlink(missing_ok=True)


def save_model(model: keras.Model, run_dir: Path) -> None:
    """Writes `model.keras`; Keras itself would write over the one that is there."""
    with whole_file(run_dir / MODEL_NAME) as path:
        model.save(path)


def _new_directory(parent: Path, data_name: str) -> Path:
    """Makes the directory of a run without a name: of several in one second, each another."""
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    endings = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    while True:
        path = parent / f"{data_name}-{now}{next(endings)}"
        with contextlib.suppress(FileExistsError):
            path.mkdir(parents=True)
            return path
