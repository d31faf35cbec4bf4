"""The files that a command is asked to write beside its output: checked first, written last."""

import os
import tempfile

from etils import epath

from pipelines.runtime.errors import InputError
from pipelines.runtime.files import is_remote


def check_output_file(flag: str, path: str, data_dir: str | os.PathLike[str] | None = None) -> None:
    """Checks that `path` can be written, as far as can be seen before any work.

    Args:
        flag: The flag that gave `path`, for the message.
        path: Local, or a URL, which is not looked at.
        data_dir: The set that is read, if one is: a finished set holds nothing but its own files.

    Raises:
        InputError: when it cannot be written, or lies in `data_dir`.
    """
    if is_remote(path):
        return
    target = epath.Path(path).expanduser().resolve()
    if data_dir is not None and target.parent == epath.Path(data_dir).expanduser().resolve():
        raise InputError(
            f"received {flag}={path}, which lies in the data directory, expected a file elsewhere "
            "(a finished set holds nothing but its own files); choose another folder."
        )
    if target.is_dir():
        raise _unwritable(flag, path, "it is a directory")
    try:
        if target.exists():
            target.open("ab").close()
        else:
            # Not the file itself: the work that is to fill it may yet fail.
            tempfile.TemporaryFile(dir=target.parent).close()
    except OSError as error:
        raise _unwritable(flag, path, error.strerror or str(error)) from error


def write_output_file(flag: str, path: str, data: bytes) -> None:
    """Writes a file that `check_output_file` has let pass.

    Raises:
        InputError: when it cannot be written after all.
    """
    try:
        epath.Path(path).expanduser().write_bytes(data)
    except OSError as error:
        raise _unwritable(flag, path, error.strerror or str(error)) from error


def _unwritable(flag: str, path: str, problem: str) -> InputError:
    return InputError(
        f"received {flag}={path}, which cannot be written ({problem}), expected a file in a folder "
        "that exists and may be written to; choose another one."
    )
