"""Hands each replica its share of a batch."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow as tf


class Feed:
    """Goes through a data set whose batches are the shares of the replicas, one after the other.

    `strategy.experimental_distribute_dataset` would do it, too, but for each replica it makes a
    data set of its own whose options cannot be set, and whose autotuner can hold up the program
    for as long as a minute when the iterator is dropped.

    Args:
        strategy: Where the replicas are.
        batches: For each step an element for each of the replicas of this process.
    """

    def __init__(self, strategy: tf.distribute.Strategy, batches: Iterable[Any]) -> None:
        self._strategy = strategy
        self._batches = batches

    def __iter__(self) -> "Steps":
        return Steps(self._strategy, iter(self._batches))


class Steps:
    """One pass of a `Feed`: yields one value a step, which `strategy.run` takes apart."""

    def __init__(self, strategy: tf.distribute.Strategy, shares: Iterator[Any]) -> None:
        self._strategy = strategy
        self._shares = shares
        # Without tf.distribute, shares are taken as they are, wherever they are.
        self._devices = strategy.extended.worker_devices if _is_distributed(strategy) else (None,)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self.take(1)

    def take(self, count: int) -> Any:
        """The next steps as one value; several are stacked along a new first axis.

        Raises:
            StopIteration: if there are not so many any more.
        """
        replicas = len(self._devices)
        shares = list(itertools.islice(self._shares, count * replicas))
        if len(shares) < count * replicas:
            raise StopIteration
        placed = [
            _placed(device, shares[number::replicas]) for number, device in enumerate(self._devices)
        ]
        if not _is_distributed(self._strategy):
            return placed[0]
        return self._strategy.experimental_distribute_values_from_function(
            # Several processes count their replicas together.
            lambda context: placed[context.replica_id_in_sync_group % replicas]
        )


def _is_distributed(strategy: tf.distribute.Strategy) -> bool:
    return strategy.num_replicas_in_sync > 1


def _placed(device: str | None, shares: list[Any]) -> Any:
    """One replica's shares of some steps, on its device."""
    if device is None and len(shares) == 1:
        return shares[0]
    with tf.device(device):
        join = tf.identity if len(shares) == 1 else lambda *tensors: tf.stack(tensors)
        return tf.nest.map_structure(join, *shares)
