"""Visits the images of small classes more often, until all classes come equally often."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from pipelines.loading.order import DrawRepeats
from pipelines.runtime.errors import InputError


def balanced_visits(class_counts: Sequence[int]) -> int:
    """Visits in an epoch in which every class comes as often as the largest."""
    return len(class_counts) * max(class_counts)


def balanced_repeats(labels: np.ndarray, class_counts: Sequence[int]) -> DrawRepeats:
    """How often each example is visited so that all classes come equally often.

    Each example of a class is visited as often as any other of it, or once more; which ones once
    more is drawn for each epoch.

    Args:
        labels: int64 (examples,), in [0, classes).
        class_counts: Examples of each class.

    Raises:
        InputError: if a class has no example.
    """
    counts = np.asarray(class_counts, np.int64)
    if not counts.all():
        raise InputError(
            f"received --oversample for classes with {', '.join(map(str, counts))} training "
            "examples, expected at least one of each; make the set again without the empty class."
        )
    base, extra = np.divmod(counts.max(), counts)
    starts = np.cumsum(counts) - counts

    def draw(seed: tf.Tensor) -> tf.Tensor:
        chance = tf.random.stateless_uniform(
            labels.shape, seed, minval=0, maxval=1 << 32, dtype=tf.int64
        )
        # By class, and by chance within each: an example's rank is its place there.
        order = tf.argsort(labels * (1 << 32) + chance, stable=True)
        places = tf.math.invert_permutation(order)
        rank = tf.cast(places, tf.int64) - tf.gather(starts, labels)
        return tf.gather(base, labels) + tf.cast(rank < tf.gather(extra, labels), tf.int64)

    return draw
