from collections import Counter
from pathlib import Path

import pytest
import tensorflow as tf

from pipelines.tfrecords.record import frame_record
from pipelines.tfrecords.writer import plan_shards, write_shard


def test_plan_holds_every_image_once_in_shards_of_like_size():
    parts = {"train": range(0, 1674), "test": range(1674, 2233)}
    plan = plan_shards("caltech4", parts, [1] * 2233, (8, None), 0)
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
    plan = plan_shards("pets", parts, [1] * 57, (8, None), 0)
    assert all(shard.indices for shard in plan)
    assert {shard.split for shard in plan} == {"train", "test"}


def test_the_seed_decides_the_order():
    parts = {"train": range(100), "test": range(100, 130)}
    sizes = [1] * 130
    one, again, two = (plan_shards("pets", parts, sizes, (4, None), seed) for seed in (1, 1, 2))
    assert one == again != two


def test_the_order_is_the_same_for_ever_and_each_split_has_its_own():
    parts = {"train": range(6), "test": range(6), "validation": range(6)}
    plan = plan_shards("pets", parts, [1] * 6, (1, None), 7)
    assert {shard.split: shard.indices for shard in plan} == {
        "train": (5, 2, 0, 4, 1, 3),
        "test": (3, 0, 2, 1, 4, 5),
        "validation": (2, 3, 0, 5, 1, 4),
    }


@pytest.mark.parametrize(
    ("megabytes", "train", "test"), [(0.01, 10, 3), (0.0001, 100, 30), (9, 1, 1)]
)
def test_shards_of_a_size(megabytes: float, train: int, test: int):
    parts = {"train": range(100), "test": range(100, 130)}
    plan = plan_shards("pets", parts, [1000] * 130, (None, megabytes), 0)
    assert Counter(shard.split for shard in plan) == {"train": train, "test": test}
    assert all(shard.indices for shard in plan)


def test_a_written_shard_is_as_it_says(tmp_path: Path):
    path = tmp_path / "pets-train.tfrecord-00000-of-00001"
    shard = write_shard(path, map(frame_record, [b"one", b"two"]))
    assert (shard.name, shard.num_examples) == (path.name, 2)
    assert shard.num_bytes == path.stat().st_size
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
    assert records == [b"one", b"two"]


def test_a_shard_that_cannot_be_written_is_an_os_error(tmp_path: Path):
    with pytest.raises(OSError, match="nowhere"):
        write_shard(tmp_path / "nowhere" / "shard", [b"one"])
