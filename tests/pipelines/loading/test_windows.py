"""Reading windows: whole blocks, in order, and never fewer records than the plan says."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from pipelines.loading.dataset import block_reader, read_windows
from pipelines.loading.order import shuffled_order, stored_order, windows_of
from pipelines.loading.plan import ALONE, worker_data
from pipelines.tfrecords.manifest import ShardedDataset, load_manifest, open_dataset


@pytest.fixture(scope="module")
def data_dir(make_finished_set):
    """75 training images in 2 shards, so that there are short blocks among whole ones."""
    return make_finished_set(images_per_class=34, shards=2)


def read(data_dir, order_of, readers):
    manifest = load_manifest(data_dir)
    data = worker_data(ShardedDataset(data_dir, manifest), "train", ALONE)
    windows = windows_of(order_of(data.blocks), data.blocks, 0)
    found = list(read_windows(windows, data, readers).as_numpy_iterator())
    return {name: np.concatenate([window[name] for window in found]) for name in found[0]}


@pytest.mark.parametrize("readers", [1, 2, 7])
def test_examples_come_as_they_are_planned(data_dir, readers):
    manifest = load_manifest(data_dir)
    stored = [
        record
        for shard in manifest.splits["train"].shards
        for record in tf.data.TFRecordDataset(str(data_dir / shard.name)).as_numpy_iterator()
    ]
    images = [tf.train.Example.FromString(record).features.feature["image"] for record in stored]
    found = read(data_dir, lambda blocks: shuffled_order(blocks, 32, 0, 0), readers)
    assert found["position"].tolist() == list(range(len(stored)))
    assert [images[record].bytes_list.value[0] for record in found["record"]] == list(
        found["image"]
    )


def test_labels_are_those_of_the_index(data_dir):
    labels = worker_data(open_dataset(data_dir), "train", ALONE).labels
    found = read(data_dir, lambda blocks: stored_order(blocks, 32), 2)
    np.testing.assert_array_equal(found["label"], labels)


def test_a_shard_that_ends_early_fails_even_where_nothing_of_its_end_is_visited(data_dir, tmp_path):
    """Or else the records behind it would be taken for others."""
    cut = tmp_path / "cut"
    shutil.copytree(data_dir, cut)
    manifest = load_manifest(cut)
    data = worker_data(ShardedDataset(cut, manifest), "train", ALONE)
    window = next(iter(windows_of(stored_order(data.blocks, 1000), data.blocks, 0)))
    second_record = int(np.load(cut / "index.npz")["train/offsets"][1])
    with open(data.paths[0], "r+b") as shard:
        shard.truncate(second_record)
    reader = tf.function(block_reader(data, 2))
    with pytest.raises(tf.errors.InvalidArgumentError, match="ends before its last record"):
        reader(window.visiting(window.positions == 0))
