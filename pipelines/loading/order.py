"""In which order an epoch visits the examples: a plan, made without reading any of them.

A shard is read in blocks, runs of records that lie together. An epoch takes the blocks in an order
of its own, cuts their sequence into windows of about `shuffle_buffer` records, and visits the
records of a window in an order drawn among all of them. So one window at a time is read and held,
whatever the size of the set; a record may come anywhere in the epoch, since its block may; and
reading can begin at the k-th example without the windows before it.

All of it follows from (blocks, shuffle buffer, seed, epoch): no thread, file or clock has a say.

With two shards of 3 and 2 records, blocks of 2 and a shuffle buffer of 3:

    blocks            0: r0 r1 | 1: r2 || 2: r3 r4          (|| is where the second shard begins)
    in drawn order    2 0 1, so the records are read as r3 r4 r0 r1 r2
    windows           0 0 1: a block is in the window in which its first record falls, 0 2 4 // 3
    read together     window 0: r3 r4 r0 r1; window 1: r2
    rows, drawn       window 0: 2 0 3 1; window 1: 0
    the epoch         r0 r3 r1 r4 r2, at the positions 0 to 4
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import Shard

# Enough that opening the file for each block costs little beside decoding it, and so few that a
# window of 1 % of a set of 200,000 comes from more than a hundred places. It is part of the order.
BLOCK_RECORDS = 16

_ORDER_STREAM = 1  # of the run's random numbers; the augmentation has another
_KEYS = 1 << 32  # random numbers to sort by are below this

# From a seed, (2,), to how often each record is visited in an epoch, int64 (records,).
DrawRepeats = Callable[[tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Blocks:
    """Runs of records that lie together in a shard; each attribute is int64 of shape (blocks,)."""

    shard: np.ndarray  # the number of the shard among those that are read
    offset: np.ndarray  # where the block begins in the shard, in bytes
    num_bytes: np.ndarray
    # The number of its first record, counted through all shards that are read.
    first_record: np.ndarray
    num_records: np.ndarray  # at most `BLOCK_RECORDS`


class EpochOrder(NamedTuple):
    """One epoch's plan; all int64."""

    blocks: tf.Tensor  # (blocks,), the blocks in the order in which they are read
    window: tf.Tensor  # (blocks,), the window of each, ascending from 0 without gaps
    records: tf.Tensor  # (records,), the records in the order in which they are read
    visits: tf.Tensor  # (positions,), the index into `records` of what is visited at each position


class Window(NamedTuple):
    """What is read together, and what is visited of it; all int64."""

    blocks: tf.Tensor  # (n,), the blocks that are read, one after the other
    rows: tf.Tensor  # (v,), the index among the records of these blocks of each that is visited
    positions: tf.Tensor  # (v,), the places in the epoch, ascending
    records: tf.Tensor  # (v,), the numbers of the visited records in all that is read
    epochs: tf.Tensor  # (v,), the epoch, the same for all

    def visiting(self, chosen: tf.Tensor) -> "Window":
        """The same window with only the `chosen` visits, boolean (v,)."""
        places = tf.where(chosen)[:, 0]
        return Window(self.blocks, *(tf.gather(field, places) for field in self[1:]))


def plan_blocks(shards: Sequence[Shard], offsets: np.ndarray) -> Blocks:
    """Cuts shards into blocks; `offsets`, int64 (records,), are where their records begin."""
    columns: list[tuple[int, int, int, int, int]] = []
    first = 0
    for number, shard in enumerate(shards):
        edges = [*offsets[first : first + shard.num_examples].tolist(), shard.num_bytes]
        for start in range(0, shard.num_examples, BLOCK_RECORDS):
            count = min(BLOCK_RECORDS, shard.num_examples - start)
            size = edges[start + count] - edges[start]
            columns.append((number, edges[start], size, first + start, count))
        first += shard.num_examples
    return Blocks(*np.array(columns, np.int64).reshape(-1, 5).T)


def shuffled_order(
    blocks: Blocks,
    shuffle_buffer: int,
    seed: int,
    epoch: tf.Tensor | int,
    draw_repeats: DrawRepeats | None = None,
) -> EpochOrder:
    """Plans an epoch of training.

    Args:
        shuffle_buffer: Records in a window, about: a window ends with a whole block.
        seed: The run's, at least 0 and below 2**63.
        epoch: From 0; a scalar.
        draw_repeats: How often each record is visited; once unless given.
    """
    run = tf.constant([seed, _ORDER_STREAM], tf.int64)
    # One seed for the order of the blocks, one for that within windows, one for the repeats.
    seeds = tf.random.split(tf.random.fold_in(run, epoch), 3)
    order = tf.argsort(_random_keys(seeds[0], [len(blocks.shard)]), stable=True)
    counts = tf.gather(blocks.num_records, order)
    window = _windows(counts, shuffle_buffer)
    first = tf.gather(blocks.first_record, order)
    records = tf.ragged.range(first, first + counts).flat_values
    places = tf.range(tf.size(records, tf.int64))
    if draw_repeats is not None:
        places = tf.repeat(places, tf.gather(draw_repeats(seeds[2]), records))
    # One sort does both: the window is in the high bits of a key, chance in the low ones. So the
    # windows stay in their order, and within each the records come by chance.
    windows = tf.gather(tf.repeat(window, counts), places)
    keys = windows * _KEYS + _random_keys(seeds[1], tf.shape(places))
    visits = tf.gather(places, tf.argsort(keys, stable=True))
    return EpochOrder(tf.cast(order, tf.int64), window, records, visits)


def stored_order(blocks: Blocks, shuffle_buffer: int) -> EpochOrder:
    """Plans to visit every record once, in the order of the shards; windows as above."""
    records = tf.range(blocks.num_records.sum(), dtype=tf.int64)
    order = tf.range(len(blocks.shard), dtype=tf.int64)
    window = _windows(tf.constant(blocks.num_records), shuffle_buffer)
    return EpochOrder(order, window, records, records)


def windows_of(order: EpochOrder, blocks: Blocks, epoch: tf.Tensor | int) -> tf.data.Dataset:
    """The windows of an epoch, one after the other, as a data set of `Window`."""
    counts = tf.gather(blocks.num_records, order.blocks)
    # Where each window begins among the blocks, among the records, and among the visits. Windows
    # ascend in all three, so a binary search finds the edges.
    edges = tf.range(order.window[-1] + 2)
    block_edges = tf.searchsorted(order.window, edges, out_type=tf.int64)
    record_edges = tf.gather(tf.concat([[0], tf.cumsum(counts)], axis=0), block_edges)
    visited_windows = tf.gather(tf.repeat(order.window, counts), order.visits)
    visit_edges = tf.searchsorted(visited_windows, edges, out_type=tf.int64)

    def one_window(number: tf.Tensor) -> Window:
        first, stop = visit_edges[number], visit_edges[number + 1]
        visits = order.visits[first:stop]
        return Window(
            blocks=order.blocks[block_edges[number] : block_edges[number + 1]],
            rows=visits - record_edges[number],
            positions=tf.range(first, stop),
            records=tf.gather(order.records, visits),
            epochs=tf.fill([stop - first], tf.cast(epoch, tf.int64)),
        )

    return tf.data.Dataset.range(order.window[-1] + 1).map(one_window)


def _windows(counts: tf.Tensor, shuffle_buffer: int) -> tf.Tensor:
    """The window of each block: the one in which its first record falls."""
    # Not smaller than a block, or else no record would begin in some windows.
    return tf.cumsum(counts, exclusive=True) // max(shuffle_buffer, BLOCK_RECORDS)


def _random_keys(seed: tf.Tensor, shape: tf.Tensor | list[int]) -> tf.Tensor:
    return tf.random.stateless_uniform(shape, seed, minval=0, maxval=_KEYS, dtype=tf.int64)


# Oversampling: the images of small classes are visited more often.


def oversampled_repeats(labels: np.ndarray, class_counts: Sequence[int]) -> DrawRepeats:
    """Draws how often each example is visited, so that all classes come equally often.

    Each example of a class is visited as often as any other of it, or once more; which ones once
    more is drawn for each epoch. `labels` are int64 (examples,), in [0, classes). A class without
    an example is an InputError.
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
        # By class, and by chance within each: an example's rank is its place there.
        order = tf.argsort(labels * _KEYS + _random_keys(seed, labels.shape), stable=True)
        places = tf.math.invert_permutation(order)
        rank = tf.cast(places, tf.int64) - tf.gather(starts, labels)
        return tf.gather(base, labels) + tf.cast(rank < tf.gather(extra, labels), tf.int64)

    return draw
