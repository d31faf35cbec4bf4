"""The figures of epochs, and of steps within them, as curves."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from trainer.history import EpochRecord, TrainMetrics
from trainer.summaries.writers import Writers

# Of more classes nobody looks at each one's curve.
MAX_RECALLS = 50


def write_epoch(
    writers: Writers, record: EpochRecord, class_names: Sequence[str], class_counts: Sequence[int]
) -> None:
    """Writes an epoch's figures.

    Args:
        writers: Where to.
        record: The figures.
        class_names: In label order.
        class_counts: Evaluated examples of each; a class without any has no recall.
    """
    evaluation = record.eval
    with writers.train.as_default(step=record.step):
        _write_training(record.train)
    with writers.eval.as_default(step=record.step):
        tf.summary.scalar("loss", evaluation.loss)
        tf.summary.scalar("accuracy", evaluation.accuracy)
        recall = {
            name: value
            for name, value, count in zip(class_names, evaluation.recall, class_counts, strict=True)
            if count
        }
        for name, value in _recalls(recall).items():
            tf.summary.scalar(f"recall/{name}", value)


def write_steps(writers: Writers, step: int, metrics: TrainMetrics) -> None:
    """Writes the figures of the steps up to `step` that are a part of an epoch."""
    if writers.steps is not None:
        with writers.steps.as_default(step=step):
            _write_training(metrics)


def _write_training(metrics: TrainMetrics) -> None:
    tf.summary.scalar("loss", metrics.loss)
    tf.summary.scalar("accuracy", metrics.accuracy)
    tf.summary.scalar("learning_rate", metrics.learning_rate)
    tf.summary.scalar("gradient_norm", metrics.gradient_norm)
    tf.summary.scalar("speed/images_per_second", metrics.images_per_second)
    tf.summary.scalar("speed/input_wait_fraction", metrics.input_wait_fraction)


def _recalls(recall: dict[str, float]) -> dict[str, float]:
    if len(recall) <= MAX_RECALLS:
        return recall
    values = list(recall.values())
    return {"mean of all classes": float(np.mean(values)), "least": min(values)}
