"""The event files of a run, by what they tell of."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf
from tensorboard.plugins.image import metadata as image_metadata

STEPS_DIRECTORY = "steps"


class Writers:
    """Event files: those in the run directory itself tell of the run as a whole.

    Loss and accuracy have the same tags in all of them, so that TensorBoard draws their curves in
    one plot. The step axis is the optimizer's step.

    Args:
        run_dir: The run directory.
        eval_split: The split evaluated after each epoch; names its directory.
        within_epochs: Whether there are figures of parts of epochs.

    Raises:
        OSError: if they cannot be made.

    Attributes:
        run: Of the run as a whole.
        train: Of training epochs.
        eval: Of evaluations.
        steps: Of parts of epochs, or None.
        is_closed: Whether nothing can be written any more.
    """

    def __init__(self, run_dir: Path, eval_split: str, within_epochs: bool = False) -> None:
        with raising_os_errors():
            self.run = tf.summary.create_file_writer(str(run_dir))
            self.train = tf.summary.create_file_writer(str(run_dir / "train"))
            self.eval = tf.summary.create_file_writer(str(run_dir / eval_split))
            self.steps = None
            if within_epochs:
                self.steps = tf.summary.create_file_writer(str(run_dir / STEPS_DIRECTORY))
        self.is_closed = False
        self._all = [w for w in (self.run, self.train, self.eval, self.steps) if w is not None]

    def flush(self) -> None:
        """Makes a running TensorBoard see what has been written."""
        with raising_os_errors():
            for writer in self._all:
                writer.flush()

    def close(self) -> None:
        """Closes the event files."""
        self.is_closed = True
        with raising_os_errors():
            for writer in self._all:
                writer.close()


def write_picture(tag: str, size: tuple[int, int], picture: bytes) -> None:
    """Writes an encoded picture as it is; `tf.summary.image` would encode pixels.

    Args:
        tag: What it is called.
        size: Width and height in pixels.
        picture: As in a PNG or JPEG file.
    """
    metadata = image_metadata.create_summary_metadata(
        display_name=None, description="", converted_to_tensor=True
    )
    tf.summary.write(
        tag,
        tf.constant([*(str(side).encode() for side in size), picture]),
        metadata=tf.compat.v1.SummaryMetadata.FromString(metadata.SerializeToString()),
    )


@contextlib.contextmanager
def raising_os_errors() -> Iterator[None]:
    """Where the disk is full, TensorFlow raises errors of its own, of several lines."""
    try:
        yield
    except tf.errors.OpError as error:
        # "{{function_node ...}} PATH; No space left on device", and what was to be done.
        raise OSError(error.message.partition("\n")[0].rpartition("; ")[2]) from error
