"""TensorBoard event files: `train/` and one directory for the split that is evaluated."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from trainer.history import EpochRecord


class Summaries:
    """Writes each epoch's figures as scalars; the step axis is the optimizer's step.

    Both directories use the same tags, so that TensorBoard draws their curves in one plot.

    Args:
        run_dir: The run directory.
        eval_split: The split evaluated after each epoch; names its directory.
    """

    def __init__(self, run_dir: Path, eval_split: str) -> None:
        with _raising_os_errors():
            self._train = tf.summary.create_file_writer(str(run_dir / "train"))
            self._eval = tf.summary.create_file_writer(str(run_dir / eval_split))

    def write(self, record: EpochRecord) -> None:
        """Writes one epoch and flushes, so that a running TensorBoard shows it.

        Raises:
            OSError: if it cannot be written.
        """
        with _raising_os_errors():
            self._write(record)

    def _write(self, record: EpochRecord) -> None:
        train, evaluation = record.train, record.eval
        with self._train.as_default(step=record.step):
            tf.summary.scalar("loss", train.loss)
            tf.summary.scalar("accuracy", train.accuracy)
            tf.summary.scalar("learning_rate", train.learning_rate)
            tf.summary.scalar("gradient_norm", train.gradient_norm)
            tf.summary.scalar("speed/images_per_second", train.images_per_second)
            tf.summary.scalar("speed/input_wait_fraction", train.input_wait_fraction)
        with self._eval.as_default(step=record.step):
            tf.summary.scalar("loss", evaluation.loss)
            tf.summary.scalar("accuracy", evaluation.accuracy)
        self._train.flush()
        self._eval.flush()

    def close(self) -> None:
        """Closes the event files."""
        self._train.close()
        self._eval.close()


@contextlib.contextmanager
def _raising_os_errors() -> Iterator[None]:
    """Where the disk is full, TensorFlow raises errors of its own, of several lines."""
    try:
        yield
    except tf.errors.OpError as error:
        # "{{function_node ...}} PATH; No space left on device", and what was to be done.
        raise OSError(error.message.partition("\n")[0].rpartition("; ")[2]) from error
