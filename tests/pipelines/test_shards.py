from collections import Counter
from pathlib import Path

import pytest
import tensorflow as tf

from pipelines.shards import plan_shards, write_shard


def test_plan_holds_every_image_once_in_shards_of_like_size():
    parts = {"train": range(0, 1674), "test": range(1674, 2233)}
    plan = plan_shards("caltech4", parts, 8, 0)
    assert plan[0].name == "caltech4-train.tfrecord-00000-of-00008"
    assert Counter(shard.split for shard in plan) == {"train": 8, "test": 3}
    for split, indices in parts.items():
        planned = [index for shard in plan if shard.split == split for index in shard.indices]
        assert sorted(planned) == list(indices)
        assert planned != list(indices)
        sizes = [len(shard.indices) for shard in plan if shard.split == split]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("num_train", [1, 2, 7])
@pytest.mark.parametrize("num_test", [1, 2, 50])
def test_no_shard_is_empty(num_train: int, num_test: int):
    parts = {"train": range(num_train), "test": range(num_train, num_train + num_test)}
    plan = plan_shards("pets", parts, 8, 0)
    assert all(shard.indices for shard in plan)
    assert {shard.split for shard in plan} == {"train", "test"}


def test_the_seed_decides_the_order():
    parts = {"train": range(100), "test": range(100, 130)}
    assert plan_shards("pets", parts, 4, 1) == plan_shards("pets", parts, 4, 1)
    assert plan_shards("pets", parts, 4, 1) != plan_shards("pets", parts, 4, 2)


def test_a_written_shard_is_as_it_says(tmp_path: Path):
    path = tmp_path / "pets-train.tfrecord-00000-of-00001"
    shard = write_shard(path, [b"one", b"two"])
    assert (shard.name, shard.num_examples) == (path.name, 2)
    assert shard.num_bytes == path.stat().st_size
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
    assert records == [b"one", b"two"]


def test_a_shard_that_cannot_be_written_is_an_os_error(tmp_path: Path):
    with pytest.raises(OSError, match="nowhere"):
        write_shard(tmp_path / "nowhere" / "shard", [b"one"])
