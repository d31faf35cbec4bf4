"""Damage that shows only while reading: one line with file, record and what to do."""

import dataclasses
import shutil

import pytest
import tensorflow as tf

from pipelines.loading.dataset import eval_batches, train_batches
from pipelines.loading.options import InputOptions
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.index import load_index
from pipelines.tfrecords.manifest import ShardedDataset, load_manifest
from pipelines.tfrecords.verification import damage_named

OPTIONS = InputOptions(image_size=16, batch_size=6, augmentation=None)


@pytest.fixture
def damaged(data_dir, tmp_path):
    shutil.copytree(data_dir, tmp_path / "set")
    return tmp_path / "set"


def read_all(data_dir, manifest, split, cache):
    options = dataclasses.replace(OPTIONS, cache=cache)
    with damage_named(data_dir):
        if split == "train":
            list(train_batches(ShardedDataset(data_dir, manifest), options, epochs=1, seed=0))
        else:
            list(eval_batches(ShardedDataset(data_dir, manifest), split, options))


@pytest.mark.parametrize("cache", ["memory", "none"])
@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("kind", ["flipped", "cut within a record", "cut between records", "gone"])
def test_is_named(damaged, note_fault, kind, split, cache):
    happened = note_fault("damage while reading", f"{split}, cache={cache}: {kind}")
    manifest = load_manifest(damaged)
    shard = manifest.splits[split].shards[-1]
    offsets = load_index(ShardedDataset(damaged, manifest), split).offsets[-shard.num_examples :]
    path = damaged / shard.name
    data = bytearray(path.read_bytes())
    data[offsets[2] + 20] ^= 1
    contents = {
        "flipped": bytes(data),
        "cut within a record": path.read_bytes()[: offsets[2] + 20],
        "cut between records": path.read_bytes()[: offsets[2]],
    }
    if kind == "gone":
        path.unlink()
    else:
        path.write_bytes(contents[kind])
    with pytest.raises(InputError) as caught:
        read_all(damaged, manifest, split, cache)
    happened(caught.value)
    message = str(caught.value)
    assert shard.name in message
    if kind != "gone":
        assert f"{shard.name}, record 2:" in message
    assert f"python -m pipelines.verify --data_dir={damaged}" in message


def test_an_error_that_is_not_the_datas_is_passed_on(data_dir):
    with (
        pytest.raises(tf.errors.InvalidArgumentError, match="of the program's own"),
        damage_named(data_dir),
    ):
        raise tf.errors.InvalidArgumentError(None, None, "of the program's own")


def test_a_file_too_many_is_not_the_damage(damaged):
    (damaged / "notes.txt").write_text("mine")
    with pytest.raises(tf.errors.InvalidArgumentError), damage_named(damaged):
        raise tf.errors.InvalidArgumentError(None, None, "another")
