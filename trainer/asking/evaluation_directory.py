"""The directory in which an evaluation is left: one evaluation's, and nothing else's."""

import contextlib
import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.runtime.errors import InputError
from pipelines.runtime.files import atomic_file, locked, nearest_existing, remove_unfinished
from trainer.asking.asked_data import AskedData

if TYPE_CHECKING:  # it brings TensorFlow: seconds for which a wrong directory need not wait
    from trainer.report import Report

EVALUATIONS, MARK = "evaluations", "evaluation.json"


def choose_directory(wanted: str | None, run_dir: Path, data: AskedData) -> Path:
    """Where an evaluation goes; nothing is made there yet.

    Args:
        wanted: `--output_dir`; unless given, a directory under `run_dir` that is called as the data
            are, with a number if another evaluation has that name.
        run_dir: The run directory.
        data: What is evaluated.

    Raises:
        InputError: if something else is there, or it cannot be written.
    """
    if wanted is None:
        parent = run_dir / EVALUATIONS
        names = itertools.chain(
            [data.file_name], (f"{data.file_name}-{n}" for n in itertools.count(2))
        )
        directory = next(parent / name for name in names if _is_for(parent / name, data))
    else:
        directory = Path(wanted).expanduser()
        if not _is_for(directory, data):
            raise InputError(
                f"received --output_dir={wanted}, which holds something else than an evaluation of "
                f"{data.name}, {data.split}, expected that, or a new or empty directory; choose "
                "another."
            )
    _check_writable(directory)
    return directory


def write_evaluation(
    directory: Path, data: AskedData, report: "Report", draw: Callable[[Path], list[Path]]
) -> list[Path]:
    """Writes an evaluation in the place of an earlier one of the same data.

    Args:
        directory: As `choose_directory` gave it.
        data: What was evaluated.
        report: What came of it.
        draw: Writes pictures into a directory, and says which.

    Returns:
        The pictures.

    Raises:
        InputError: if it cannot be written, or something else has come to be there.
    """
    from trainer.report import REPORT_JSON, REPORT_TEXT

    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _alone(directory):
            if not _is_for(directory, data):
                raise InputError(
                    f"received {directory}, into which something else was written meanwhile, "
                    "expected no other writer; choose another --output_dir."
                )
            remove_unfinished(directory)
            files = {MARK, REPORT_TEXT, REPORT_JSON}
            earlier = _files_in(directory)
            _write_mark(directory, data, earlier | files)  # it is this one's, however far it comes
            pictures = draw(directory)
            files |= {picture.name for picture in pictures}
            for name in sorted(earlier - files):
                (directory / name).unlink(missing_ok=True)
            report.write(directory)
            _write_mark(directory, data, files)
            return pictures
    except OSError as error:
        raise _unwritable(directory, error.strerror or str(error)) from error


def _is_for(directory: Path, data: AskedData) -> bool:
    """Whether there is nothing in it, or an evaluation of the same data."""
    mark = _mark_in(directory)
    if mark is not None:
        return mark["of"] == data.identity
    if not directory.is_dir():
        return not directory.exists()
    # A kill may have come before the mark was whole; that file is hidden.
    with contextlib.suppress(OSError):
        return all(found.name.startswith(".") for found in directory.iterdir())
    return True  # and cannot be written, as is found next


def _mark_in(directory: Path) -> dict[str, Any] | None:
    with contextlib.suppress(OSError, ValueError):
        mark = json.loads((directory / MARK).read_text(encoding="utf-8"))
        if isinstance(mark, dict) and mark.keys() >= {"of", "files"}:
            return mark
    return None


def _files_in(directory: Path) -> set[str]:
    mark = _mark_in(directory)
    return {os.path.basename(name) for name in mark["files"]} if mark else set()


def _write_mark(directory: Path, data: AskedData, files: set[str]) -> None:
    text = json.dumps({"of": data.identity, "files": sorted(files)}, indent=2, ensure_ascii=False)
    with atomic_file(directory / MARK) as path:
        path.write_text(text + "\n", encoding="utf-8")


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(directory))
        except BlockingIOError as error:
            raise InputError(
                f"received {directory}, in which another evaluation is written, expected one "
                "writer; wait for it to end, or choose another --output_dir."
            ) from error
        except OSError:
            pass  # A file system without locks: it is the user who sees to it.
        yield


def _check_writable(directory: Path) -> None:
    existing = nearest_existing(directory)
    if not existing.is_dir():
        raise _unwritable(directory, f"{existing} is no directory")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise _unwritable(directory, f"no permission to write in {existing}")


def _unwritable(directory: Path, problem: str) -> InputError:
    return InputError(
        f"received {directory} for the evaluation, which cannot be written ({problem}), expected a "
        "directory with room that may be written to; choose another --output_dir."
    )
