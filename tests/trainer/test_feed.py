"""Each replica gets its share of a batch, in order."""

import numpy as np
import pytest
import tensorflow as tf

from trainer.feed import Feed
from trainer.strategy import make_strategy


def pairs(count):
    return tf.data.Dataset.range(count).batch(2).map(lambda x: (x, tf.cast(x, tf.float32)))


def test_one_replica_gets_the_batches_as_they_are():
    steps = list(Feed(make_strategy("default"), pairs(6)))
    assert [first.numpy().tolist() for first, _ in steps] == [[0, 1], [2, 3], [4, 5]]


def test_replicas_get_consecutive_batches():
    strategy = make_strategy("mirrored", 2)
    steps = list(Feed(strategy, pairs(8)))
    assert len(steps) == 2
    for number, (whole, as_float) in enumerate(steps):
        shares = strategy.experimental_local_results(whole)
        assert [share.numpy().tolist() for share in shares] == [
            [4 * number, 4 * number + 1],
            [4 * number + 2, 4 * number + 3],
        ]
        assert [share.device[-5:] for share in shares] == ["CPU:0", "CPU:1"]
        np.testing.assert_array_equal(
            strategy.reduce("SUM", as_float, axis=0), sum(range(4 * number, 4 * number + 4))
        )


@pytest.mark.parametrize("replicas", [1, 2])
def test_every_pass_begins_anew(replicas):
    strategy = make_strategy("mirrored", 2) if replicas == 2 else make_strategy("default")
    feed = Feed(strategy, pairs(8))
    assert len(list(feed)) == len(list(feed)) == 4 // replicas
