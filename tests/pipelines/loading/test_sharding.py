"""Which shards and which places of a global batch are a worker's."""

import numpy as np
import pytest

from pipelines.loading.plan import Worker
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import Shard

SHARDS = tuple(Shard(f"shard-{number}", 10 + number, 0, "") for number in range(6))


def test_by_example_every_worker_reads_every_shard():
    assert Worker(1, 4).shards(SHARDS) == SHARDS


def test_by_file_every_shard_is_one_workers():
    parts = [Worker(index, 3, "file").shards(SHARDS) for index in range(3)]
    assert sorted(shard.name for part in parts for shard in part) == [s.name for s in SHARDS]
    assert Worker(0, 3, "file").fewest_examples(SHARDS) == 10 + 13


@pytest.mark.parametrize(("index", "count"), [(-1, 2), (2, 2), (0, 0)])
def test_a_worker_that_is_none_is_refused(index, count):
    with pytest.raises(InputError, match=f"received worker {index} of {count}"):
        Worker(index, count)


def test_an_unknown_way_to_shard_is_refused():
    with pytest.raises(InputError, match="received shard_by='line', expected example or file"):
        Worker(shard_by="line")


def test_shares_of_a_batch_are_equal():
    assert Worker(0, 4).share(32) == 8
    with pytest.raises(InputError, match="batch size of 30 for 4 workers"):
        Worker(0, 4).share(30)


def test_places_by_file_fill_the_global_batches():
    from pipelines.loading.order import Window

    def positions(index):
        visits = np.arange(6)
        window = Window(np.arange(1), visits, visits, visits, visits)
        return Worker(index, 2, "file").take(window, batch_size=4).positions

    np.testing.assert_array_equal(positions(0), [0, 1, 4, 5, 8, 9])
    np.testing.assert_array_equal(positions(1), [2, 3, 6, 7, 10, 11])
