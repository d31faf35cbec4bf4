"""The table of draws against a Philox generator in NumPy, and its rows against each other."""

import numpy as np
import pytest
import tensorflow as tf

from pipelines.augmentation.rng import DRAWS_PER_EXAMPLE, Draw, draws_at, epoch_key, neutral

MASK = 0xFFFFFFFF


def key():
    # Not when the file is read: TensorFlow must not start before its devices are set up.
    return epoch_key(7, 3)


def philox(counter, key):
    """Philox 4x32-10 as published: four 32-bit numbers from a 128-bit counter, a 64-bit key."""
    c = [counter >> shift & MASK for shift in (0, 32, 64, 96)]
    k = [key & MASK, key >> 32]
    for _ in range(10):
        first, second = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [second >> 32 ^ c[1] ^ k[0], second & MASK, first >> 32 ^ c[3] ^ k[1], first & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


def test_the_generator_in_numpy_gives_the_published_numbers():
    """The known answers of the Random123 library."""
    assert philox(0, 0) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert philox(2**128 - 1, 2**64 - 1) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]


@pytest.mark.parametrize("position", [0, 1, 1673, 10**9, 2**40])
def test_a_row_is_philox_at_its_own_counter(position):
    steps = DRAWS_PER_EXAMPLE // 4
    numbers = [
        number
        for step in range(steps)
        for number in philox(position * steps + step, int(key().numpy()[0]))
    ]
    expected = np.array([(number & 0x7FFFFF) / 2.0**23 for number in numbers], np.float32)
    np.testing.assert_array_equal(draws_at(key(), position, 1)[0], expected)


@pytest.mark.parametrize("first", [0, 10**9])
def test_rows_depend_neither_on_the_batch_nor_on_where_it_begins(first):
    # More rows than one thread of the operation takes.
    table = draws_at(key(), first, 30000).numpy()
    assert table.shape == (30000, DRAWS_PER_EXAMPLE)
    assert table.dtype == np.float32
    for batch_size in (1, 2, 7, 32, 1000):
        for position in (0, 1, 5, 12345, 29000):
            rows = draws_at(key(), first + position, batch_size).numpy()
            np.testing.assert_array_equal(rows, table[position : position + batch_size])


def test_rows_are_the_same_inside_tf_data():
    dataset = tf.data.Dataset.range(10**9, 10**9 + 12, 4).map(
        lambda first: draws_at(epoch_key(tf.constant(7), first // 10**9 + 2), first, 4)
    )
    np.testing.assert_array_equal(np.concatenate(list(dataset)), draws_at(key(), 10**9, 12))


def test_draws_are_uniform():
    draws = draws_at(key(), 0, 20000).numpy()
    assert draws.min() >= 0
    assert draws.max() < 1
    np.testing.assert_allclose(draws.mean(axis=0), 0.5, atol=0.01)
    correlations = np.corrcoef(draws.T) - np.eye(DRAWS_PER_EXAMPLE)
    assert np.abs(correlations).max() < 0.04


def test_every_seed_and_epoch_has_a_table_of_its_own():
    pairs = [(seed, epoch) for seed in (0, 1, 2, 2**32 - 1) for epoch in (0, 1, 2, 1000)]
    keys = {int(epoch_key(seed, epoch).numpy()[0]) for seed, epoch in pairs}
    assert len(keys) == len(pairs)
    rows = np.concatenate([draws_at(epoch_key(*pair), 0, 1) for pair in pairs])
    assert len(np.unique(rows[:, 0])) == len(pairs)


def test_neutral_draws_keep_the_mirroring_only():
    draws = draws_at(key(), 0, 50).numpy()
    still = neutral(draws).numpy()
    np.testing.assert_array_equal(still[:, Draw.FLIP], draws[:, Draw.FLIP])
    np.testing.assert_array_equal(still[:, Draw.ROTATION], 0.5)
    np.testing.assert_array_equal(still[:, Draw.CROP_TOP], 0.0)
