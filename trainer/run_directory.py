"""The directory that a run leaves behind: made once, never written over."""

import datetime
from pathlib import Path

import keras

from pipelines.errors import InputError

MODEL_NAME = "model.keras"


def make_run_directory(wanted: str | None, data_name: str) -> Path:
    """Makes the run directory; one that holds anything is somebody's run and stays as it is.

    Args:
        wanted: Its path; `runs/DATA-TIME` unless given.
        data_name: Of the data set, for its name.

    Raises:
        InputError: if it holds anything, or cannot be made.
    """
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    run_dir = Path(wanted or f"runs/{data_name}-{now}").expanduser()
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        occupied = any(run_dir.iterdir())
    except OSError as error:
        raise InputError(
            f"received --run_dir={run_dir}, expected a directory that can be made "
            f"({error.strerror}); choose another."
        ) from error
    if occupied:
        raise InputError(
            f"received --run_dir={run_dir}, which holds a run already, expected a new or empty "
            "directory; choose another name, or remove that run first."
        )
    return run_dir


def save_model(model: keras.Model, run_dir: Path) -> None:
    """Writes beside the final name first: a `model.keras` that is there is whole."""
    unfinished = run_dir / f"unfinished-{MODEL_NAME}"
    model.save(unfinished)
    unfinished.replace(run_dir / MODEL_NAME)
