"""Hands each replica its share of a batch."""

import itertools
from collections.abc import Iterator
from typing import Any

import tensorflow as tf


class Feed:
    """Goes through a data set whose batches are the shares of the replicas, one after the other.

    `strategy.experimental_distribute_dataset` would do it, too, but for each replica it makes a
    data set of its own whose options cannot be set, and whose autotuner can hold up the program
    for as long as a minute when the iterator is dropped.

    Args:
        strategy: Where the replicas are.
        batches: With `replicas_in_sync` elements for each step.
    """

    def __init__(self, strategy: tf.distribute.Strategy, batches: tf.data.Dataset) -> None:
        self._strategy = strategy
        self._batches = batches

    def __iter__(self) -> Iterator[Any]:
        """Yields one value a step; `strategy.run` takes it apart."""
        if self._strategy.num_replicas_in_sync == 1:
            yield from self._batches
            return
        shares = iter(self._batches)
        devices = self._strategy.extended.worker_devices
        for first in shares:
            step = [first, *itertools.islice(shares, len(devices) - 1)]
            placed = [_on(device, share) for device, share in zip(devices, step, strict=True)]
            yield self._strategy.experimental_distribute_values_from_function(
                lambda context, placed=placed: placed[context.replica_id_in_sync_group]
            )


def _on(device: str, share: Any) -> Any:
    with tf.device(device):
        return tf.nest.map_structure(tf.identity, share)
