"""The directory of a run's checkpoints: written beside the training, the newest kept."""

import concurrent.futures
from collections.abc import Callable
from pathlib import Path

from pipelines.runtime.files import atomic_file, remove_unfinished
from trainer.checkpoint import (
    Checkpoint,
    DamagedCheckpointError,
    checkpoint_name,
    read_checkpoint,
    step_of,
)

DIRECTORY = "checkpoints"


class CheckpointFiles:
    """Writes checkpoints, one after the other, in a thread of its own.

    A file gets its name when all of it is on the disk: whatever ends the process, the checkpoint
    before it is whole. Only the process that has the lock on the run directory may make this.

    Args:
        run_dir: The run directory.
        keep: How many are kept, the newest.
    """

    def __init__(self, run_dir: Path, keep: int) -> None:
        self.directory = run_dir / DIRECTORY
        self._keep = keep
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "checkpoints")
        self._writing: concurrent.futures.Future[None] | None = None
        self.directory.mkdir(exist_ok=True)
        remove_unfinished(self.directory)

    def save(self, checkpoint: Checkpoint) -> None:
        """Begins to write a checkpoint, when the one before it is written.

        Raises:
            OSError: of the one before it, if it could not be written.
        """
        self.wait()
        self._writing = self._thread.submit(self._write, checkpoint)

    def check(self) -> None:
        """Asks after what is being written, without waiting for it.

        Raises:
            OSError: if it could not be written.
        """
        if self._writing is not None and self._writing.done():
            self.wait()

    def wait(self) -> None:
        """Waits until nothing is being written.

        Raises:
            OSError: if what was could not be.
        """
        writing = self._writing
        try:
            if writing is not None:
                writing.result()  # for which several threads may wait
        finally:
            if self._writing is writing:
                self._writing = None

    def _write(self, checkpoint: Checkpoint) -> None:
        path = self.directory / checkpoint_name(checkpoint.state.step)
        with atomic_file(path) as unfinished, unfinished.open("wb") as stream:
            checkpoint.write(stream)
        # Files of later steps are damaged, or the run would have gone on from them: they do not
        # count among those that are kept.
        files = checkpoints_in(self.directory)
        for old in files[: files.index(path) + 1][: -self._keep]:
            old.unlink()


def checkpoints_in(directory: Path) -> list[Path]:
    """The checkpoints that are there, the newest last."""
    named = [path for path in directory.glob("step-*.npz") if path.stem[5:].isdecimal()]
    return sorted(named, key=step_of)


def newest_whole(directory: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint that can be read; None if there is none.

    Args:
        directory: Of the checkpoints; may be missing.
        warn: Told of each newer one that is damaged.
    """
    for path in reversed(checkpoints_in(directory)):
        try:
            return read_checkpoint(path)
        except (DamagedCheckpointError, OSError) as error:
            warn(f"skipped the checkpoint {path}, which cannot be read ({error}).")
    return None
