"""Hands bytes of the chief to all workers."""

import numpy as np
import tensorflow as tf


def bytes_from_chief(strategy: tf.distribute.Strategy, data: bytes) -> bytes:
    """What the chief gave; all workers call it at the same point.

    It goes the way that gradients go, so that workers need no directory in common.

    Args:
        strategy: Over all workers.
        data: The chief's; that of the others does not matter.
    """
    words = np.frombuffer(data + bytes(-len(data) % 4), np.int32)
    sizes_and_words = [np.array([len(data)], np.int32), words]

    def of_replica(
        context: tf.distribute.experimental.ValueContext, value: np.ndarray
    ) -> tf.Tensor:
        is_chief = context.replica_id_in_sync_group == 0
        return tf.constant(value if is_chief else value[:0])

    gathered = [
        strategy.gather(
            strategy.experimental_distribute_values_from_function(
                lambda context, value=value: of_replica(context, value)
            ),
            axis=0,
        ).numpy()
        for value in sizes_and_words
    ]
    size, words = gathered
    return words.tobytes()[: int(size[0])]
