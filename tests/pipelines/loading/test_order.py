"""The plan of an epoch: complete, repeatable, and as good as a perfect shuffle."""

import hashlib

import numpy as np
import pytest
import tensorflow as tf

from pipelines.loading import order as order_module
from pipelines.loading.order import (
    BLOCK_RECORDS,
    oversampled_repeats,
    plan_blocks,
    shuffled_order,
    stored_order,
    windows_of,
)
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import Shard

LARGE = 200_000


def make_blocks(*shard_sizes, record_bytes=10):
    shards = [
        Shard(f"shard-{number}", size, size * record_bytes, "")
        for number, size in enumerate(shard_sizes)
    ]
    offsets = np.concatenate([np.arange(size) * record_bytes for size in shard_sizes])
    return plan_blocks(shards, offsets)


def visited(order):
    """The record at each position."""
    return tf.gather(order.records, order.visits).numpy()


def collect(blocks, order):
    return [
        [np.asarray(field) for field in window]
        for window in windows_of(order, blocks, 3).as_numpy_iterator()
    ]


def test_blocks_cover_every_record_once():
    blocks = make_blocks(40, 16, 1)
    assert blocks.num_records.tolist() == [16, 16, 8, 16, 1]
    assert blocks.first_record.tolist() == [0, 16, 32, 40, 56]
    assert blocks.shard.tolist() == [0, 0, 0, 1, 2]
    assert blocks.offset.tolist() == [0, 160, 320, 0, 0]
    assert blocks.num_bytes.tolist() == [160, 160, 80, 160, 10]


@pytest.mark.parametrize("shuffle_buffer", [1, 20, 64, 1000])
def test_every_record_is_visited_once(shuffle_buffer):
    blocks = make_blocks(100, 37, 3)
    order = visited(shuffled_order(blocks, shuffle_buffer, seed=0, epoch=0))
    assert sorted(order) == list(range(140))


@pytest.mark.parametrize("shuffle_buffer", [1, 4, BLOCK_RECORDS, 40])
def test_windows_have_no_gaps_however_small_the_buffer(shuffle_buffer):
    blocks = make_blocks(100, 37)
    for order in (
        stored_order(blocks, shuffle_buffer),
        shuffled_order(blocks, shuffle_buffer, seed=0, epoch=0),
    ):
        numbers = np.unique(order.window)
        assert numbers.tolist() == list(range(len(numbers)))
        assert all(len(window[0]) for window in collect(blocks, order))  # none reads nothing


def test_the_example_at_the_head_of_the_module(monkeypatch):
    monkeypatch.setattr(order_module, "BLOCK_RECORDS", 2)
    blocks = make_blocks(3, 2)
    assert blocks.num_records.tolist() == [2, 1, 2]
    numbers = tf.constant([2, 0, 1], tf.int64)
    window = order_module._windows(tf.gather(blocks.num_records, numbers), shuffle_buffer=3)
    assert window.numpy().tolist() == [0, 0, 1]
    records, visits = (tf.constant(x, tf.int64) for x in ([3, 4, 0, 1, 2], [2, 0, 3, 1, 4]))
    epoch = order_module.EpochOrder(numbers, window, records, visits)
    first, second = windows_of(epoch, blocks, 0).as_numpy_iterator()
    assert first.rows.tolist() == [2, 0, 3, 1] and first.records.tolist() == [0, 3, 1, 4]
    assert second.rows.tolist() == [0] and second.records.tolist() == [2]
    assert [*first.positions, *second.positions] == [0, 1, 2, 3, 4]


def test_the_order_follows_from_seed_epoch_and_buffer_alone():
    blocks = make_blocks(300, 300)

    def order(seed=0, epoch=0, shuffle_buffer=100):
        return tuple(visited(shuffled_order(blocks, shuffle_buffer, seed, epoch)))

    tf.random.set_seed(1)
    first = order()
    tf.random.set_seed(2)
    assert order() == first
    assert len({first, order(seed=1), order(epoch=1), order(shuffle_buffer=50)}) == 4
    assert order(seed=2**40) != order(seed=2**40 + 1)


def test_the_order_of_a_seed_never_changes():
    """Another release of TensorFlow, or of this project, must resume the runs of this one."""
    order = visited(shuffled_order(make_blocks(500, 500), 200, seed=7, epoch=3))
    digest = hashlib.sha256(order.astype("<i8").tobytes()).hexdigest()
    assert digest.startswith("6f96969ee068e78c")


def test_a_graph_plans_as_eager_execution_does():
    blocks = make_blocks(100, 60)
    planned = tf.function(lambda epoch: shuffled_order(blocks, 50, 0, epoch))(tf.constant(4))
    np.testing.assert_array_equal(visited(planned), visited(shuffled_order(blocks, 50, 0, 4)))


def test_windows_hold_what_the_order_says():
    blocks = make_blocks(100, 60)
    order = shuffled_order(blocks, 50, seed=0, epoch=3)
    windows = collect(blocks, order)
    assert len(windows) == order.window.numpy()[-1] + 1
    positions = np.concatenate([positions for _, _, positions, _, _ in windows])
    records = np.concatenate([records for _, _, _, records, _ in windows])
    assert positions.tolist() == list(range(160))
    np.testing.assert_array_equal(records, visited(order))
    for read, visits, _, records, epochs in windows:
        in_memory = np.concatenate(
            [np.arange(blocks.num_records[b]) + blocks.first_record[b] for b in read]
        )
        np.testing.assert_array_equal(in_memory[visits], records)
        assert set(epochs) == {3}
        assert len(in_memory) < 50 + BLOCK_RECORDS


def test_the_stored_order_is_that_of_the_shards():
    blocks = make_blocks(100, 60)
    windows = collect(blocks, stored_order(blocks, 50))
    assert np.concatenate([records for _, _, _, records, _ in windows]).tolist() == list(range(160))


@pytest.fixture(scope="module")
def large_epochs():
    """Two epochs of a large set, with a buffer of 1 % of it."""
    blocks = make_blocks(*[LARGE // 50] * 50)
    return [visited(shuffled_order(blocks, LARGE // 100, 0, epoch)) for epoch in (0, 1)]


def ranks(order):
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    return places


def test_records_move_as_far_as_in_a_perfect_shuffle(large_epochs):
    perfect = (LARGE**2 - 1) / (3 * LARGE)
    first, second = map(ranks, large_epochs)
    from_storage = np.abs(first - np.arange(LARGE)).mean() / perfect
    from_epoch_to_epoch = np.abs(first - second).mean() / perfect
    assert from_storage >= 0.95
    assert from_epoch_to_epoch >= 0.95


def test_classes_are_mixed_in_batches_as_by_chance(large_epochs):
    shares = np.array([0.2, 0.1, 0.35, 0.35])
    labels = np.random.default_rng(0).choice(4, LARGE, p=shares)  # a set is stored shuffled
    batches = labels[large_epochs[0]].reshape(-1, 32)
    counts = (batches[..., None] == np.arange(4)).sum(axis=1)
    expected = 32 * np.bincount(labels) / LARGE
    # Pearson's statistic of a random draw has 3 degrees of freedom, which is also its mean.
    statistic = ((counts - expected) ** 2 / expected).sum(axis=1)
    assert 0.95 < statistic.mean() / 3 < 1.05


def test_oversampling_visits_all_classes_equally_often():
    labels = np.array([0] * 90 + [1] * 20 + [2] * 50)
    labels = np.random.default_rng(0).permutation(labels)
    blocks = make_blocks(100, 60)
    repeats = oversampled_repeats(labels, (90, 20, 50))
    orders = [visited(shuffled_order(blocks, 50, 0, epoch, repeats)) for epoch in (0, 1)]
    times = np.array([np.bincount(order, minlength=160) for order in orders])
    for order, counts in zip(orders, times, strict=True):
        assert len(order) == 270
        assert np.bincount(labels[order]).tolist() == [90, 90, 90]
        assert set(counts[labels == 0]) == {1}
        assert set(counts[labels == 1]) == {4, 5}
        assert set(counts[labels == 2]) == {1, 2}
    # Whose turn it is to come once more is drawn anew.
    assert (times[0] != times[1]).any()


def test_a_class_without_examples_cannot_be_oversampled():
    with pytest.raises(InputError, match="--oversample for classes with 3, 0 training examples"):
        oversampled_repeats(np.zeros(3, np.int64), (3, 0))
