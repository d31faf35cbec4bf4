"""Where an export goes: looked at before any work, and filled in one step at the end."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipelines.runtime.errors import InputError
from pipelines.runtime.files import (
    StrPath,
    atomic_directory,
    atomic_file,
    check_movable,
    check_output_file,
    is_remote,
    nearest_existing,
)
from trainer.exporting.formats import FORMATS
from trainer.model_description import DESCRIPTION_NAME, MODEL_NAME

_IN_A_SAVED_MODEL = {"saved_model.pb", "fingerprint.pb", "variables", "assets", "assets.extra"}


def check_output(name: str, output: str, overwrite: bool, data_dir: StrPath) -> None:
    """Checks that an export may and can be written, as far as can be seen before any work.

    Args:
        name: One of `trainer.exporting.formats.FORMATS`.
        output: The value of `--output`.
        overwrite: Whether an earlier export may be replaced.
        data_dir: The set that the export is checked with.

    Raises:
        InputError: if something is in the way, or the place cannot be written to.
    """
    path = Path(output).expanduser()
    if is_remote(output):
        raise _refused(output, "is not of this machine", "a local path; copy what is written")
    if path.name == MODEL_NAME and (path.resolve().parent / DESCRIPTION_NAME).exists():
        raise _refused(output, "is the model of a run", "another place; choose one")
    occupied = path.exists() and not (path.is_dir() and not any(path.iterdir()))
    if occupied and not overwrite:
        raise _refused(output, "exists", "a new path; choose one, or pass --overwrite")
    if FORMATS[name].suffix:
        check_output_file("--output", output, data_dir)
    else:
        _check_directory(output, path)


@contextlib.contextmanager
def staged_output(name: str, output: str, overwrite: bool) -> Iterator[Path]:
    """Another name to write to, beside `output`, that takes its place when the block ends well.

    Whatever ends the block otherwise, nothing is left of what was written.

    Args:
        name, output, overwrite: As above.

    Raises:
        InputError: if it cannot be written after all, or something came in the way meanwhile.
    """
    path = Path(output).expanduser()
    is_file = bool(FORMATS[name].suffix)
    try:
        with (
            atomic_file(path) if is_file else atomic_directory(path, overwrite, "--output") as stage
        ):
            yield Path(stage)
    except OSError as error:
        raise _refused(
            output,
            f"cannot be written ({error.strerror or error})",
            "a place with room that may be written to; choose another",
        ) from error


def _check_directory(output: str, path: Path) -> None:
    """A SavedModel alone may be replaced, and not whatever else a directory holds."""
    if path.exists():
        names = set(os.listdir(path)) if path.is_dir() else {path.name}
        others = sorted(names - _IN_A_SAVED_MODEL)
        if others:
            raise _refused(
                output, f"holds {others[0]!r}", "nothing or a SavedModel there; choose another"
            )
        check_movable(path)
    existing = nearest_existing(path.absolute().parent)
    try:
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        why = f"cannot be made in {existing} ({error.strerror})"
        raise _refused(output, why, "a folder that may be written to; choose another") from error


def _refused(output: str, problem: str, expected: str) -> InputError:
    return InputError(f"received --output={output}, which {problem}, expected {expected}.")
