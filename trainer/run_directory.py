"""The directory that a run leaves behind: one run's, and written by one process at a time."""

import contextlib
import datetime
import errno
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.runtime.errors import InputError
from pipelines.runtime.files import is_locked, locked, nearest_existing
from trainer.config import CONFIG_NAME
from trainer.run_files import REPORT_JSON


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
            raise _in_use(run_dir) from error
        except OSError as error:
            if not run_dir.is_dir():
                raise _cannot_be_made(run_dir, error.strerror or str(error)) from error
            # A file system without locks: it is the user who sees to it that there is one writer.
        try:
            yield run_dir
        except InputError:
            if is_new:
                with contextlib.suppress(OSError):  # something is in it
                    run_dir.rmdir()
            raise


def check_run_directory(wanted: str | None, data_name: str) -> Path:
    """Checks what can be seen of a run directory without making it.

    Args:
        wanted: Its path; a new `runs/DATA-TIME` unless given.
        data_name: Of the data set, for its name.

    Returns:
        Where it is, or would be.

    Raises:
        InputError: if it could not be made or written, or another trainer is at work in it.
    """
    run_dir = Path(wanted).expanduser() if wanted else Path("runs", f"{data_name}-TIME")
    existing = nearest_existing(run_dir)
    if not existing.is_dir():
        raise _cannot_be_made(run_dir, os.strerror(errno.ENOTDIR))
    if not os.access(existing, os.W_OK | os.X_OK):
        raise _cannot_be_made(run_dir, os.strerror(errno.EACCES))
    if existing == run_dir and is_locked(run_dir):
        raise _in_use(run_dir)
    return run_dir


def config_in(run_dir: Path) -> dict[str, Any] | None:
    """The config of the run that `run_dir` holds; None if it is empty, or not there.

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
        if not run_dir.exists():
            return None
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


def _in_use(run_dir: Path) -> InputError:
    return InputError(
        f"received --run_dir={run_dir}, in which another trainer is at work, expected one "
        "writer; wait for it to end, or choose another."
    )


def _cannot_be_made(run_dir: Path, problem: str) -> InputError:
    return InputError(
        f"received --run_dir={run_dir}, expected a directory that can be made ({problem}); choose "
        "another."
    )


def _new_directory(parent: Path, data_name: str) -> Path:
    """Makes the directory of a run without a name: of several in one second, each another."""
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    endings = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    while True:
        path = parent / f"{data_name}-{now}{next(endings)}"
        with contextlib.suppress(FileExistsError):
            path.mkdir(parents=True)
            return path
