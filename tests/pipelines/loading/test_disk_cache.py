"""Decoded images on the disk: what is kept, when it is used, replaced or refused."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from pipelines.augmentation.config import Augmentation
from pipelines.loading import cache as cache_module
from pipelines.loading.cache import decoded_set
from pipelines.loading.dataset import eval_batches, train_batches
from pipelines.loading.decode import decode_and_resize
from pipelines.loading.options import InputOptions
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import share_lock
from pipelines.tfrecords.index import INDEX_NAME, load_index
from pipelines.tfrecords.manifest import MANIFEST_NAME, ShardedDataset, load_manifest, open_dataset
from pipelines.tfrecords.record import parse_example, read_records
from pipelines.tfrecords.verification import damage_named, verify

ROOT = Path(__file__).parents[3]
SIZE = 12  # to which the images, of 40x30, can be decoded at half their size


@pytest.fixture
def shapes(data_dir, tmp_path):
    return shutil.copytree(data_dir, tmp_path / "shapes")


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "shapes.cache"


def decode_to(cache, shapes, image_size=SIZE, decode_ratio=1, class_names=None):
    manifest = load_manifest(shapes)
    manifest = dataclasses.replace(manifest, class_names=class_names or manifest.class_names)
    return decoded_set(ShardedDataset(shapes, manifest), image_size, decode_ratio, cache_dir=cache)


def snapshot(directory):
    """Every file below, with its content and when it was written."""
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in directory.rglob("*")
        if path.is_file()
    }


def stored(data_dir, shard):
    records = tf.data.TFRecordDataset(str(data_dir / shard.name))
    return [parse_example(record) for record in records]


def forbid_decoding(monkeypatch):
    def decode_batch(*arguments):
        raise RuntimeError("nothing is to be decoded")

    monkeypatch.setattr(cache_module, "decode_batch", decode_batch)


def test_each_record_has_its_pixels_and_is_where_it_was(shapes, cache):
    manifest = load_manifest(shapes)
    made = decode_to(cache, shapes)
    assert str(made.dataset.directory) == str(cache)
    assert made.dataset.manifest == load_manifest(cache)
    for name, split in manifest.splits.items():
        decoded = made.dataset.manifest.splits[name]
        assert decoded.class_counts == split.class_counts
        for shard, of_pixels in zip(split.shards, decoded.shards, strict=True):
            assert (of_pixels.name, of_pixels.num_examples) == (shard.name, shard.num_examples)
            for one, other in zip(stored(shapes, shard), stored(cache, of_pixels), strict=True):
                pixels = decode_and_resize(one.pop("image"), SIZE).numpy().tobytes()
                assert other.pop("image").numpy() == pixels
                assert other == one


def test_its_index_leads_to_its_records(shapes, cache):
    pixels = decode_to(cache, shapes).dataset.manifest
    for name, split in pixels.splits.items():
        index = load_index(ShardedDataset(cache, pixels), name)
        shards = [(cache / shard.name).read_bytes() for shard in split.shards]
        counts = [shard.num_examples for shard in split.shards]
        rows = zip(index.offsets, index.labels, np.repeat(range(len(shards)), counts), strict=True)
        for offset, label, shard in rows:
            record = next(read_records(memoryview(shards[shard])[offset:]))
            assert parse_example(record)["label"] == label


def test_a_plan_says_what_would_be_done_and_does_nothing(shapes, cache):
    def plan(size):
        return decoded_set(open_dataset(shapes), size, 1, cache_dir=cache, make=False)

    planned = plan(SIZE)
    assert not cache.exists()
    assert str(planned.dataset.directory) == str(
        shapes
    ) and planned.dataset.manifest == load_manifest(shapes)
    assert planned.story == f"to be made in {cache}: 17 kB"
    made = decode_to(cache, shapes)
    before = snapshot(cache)
    assert (
        plan(SIZE).dataset.directory == made.dataset.directory
        and plan(SIZE).dataset.manifest == made.dataset.manifest
    )
    assert plan(SIZE).story == made.story.replace("made in", "found in")
    assert snapshot(cache) == before


def test_a_plan_refuses_what_cannot_be_replaced(shapes, cache):
    cache.mkdir()
    (cache / "notes.txt").write_text("")
    with pytest.raises(InputError, match="which holds something, but no"):
        decoded_set(open_dataset(shapes), SIZE, 1, cache_dir=cache, make=False)


def test_it_is_a_finished_set(shapes, cache):
    manifest, pixels = load_manifest(shapes), decode_to(cache, shapes).dataset.manifest
    assert verify(cache, progress=False).problems == ()
    assert (pixels.encoding, pixels.image_shape) == ("raw", (SIZE, SIZE, 3))
    assert pixels.class_names == manifest.class_names
    assert pixels.source["decoded_from"]["data_set"] == manifest.fingerprint
    assert pixels.settings["decode_ratio"] == 1
    examples = tfds.builder_from_directory(cache).as_dataset(split="test")
    assert len(examples) == manifest.splits["test"].num_examples
    assert next(iter(examples))["image"].shape == (SIZE, SIZE, 3)


@pytest.mark.parametrize("decode_ratio", [1, 2])
def test_batches_are_the_same_to_the_bit(shapes, cache, decode_ratio):
    manifest, made = load_manifest(shapes), decode_to(cache, shapes, decode_ratio=decode_ratio)
    options = InputOptions(
        image_size=SIZE,
        batch_size=4,
        augmentation=Augmentation(),
        shuffle_buffer=9,
        decode_ratio=decode_ratio,
        cache="none",
    )
    of_pixels = dataclasses.replace(options, decode_ratio=1)
    pairs = (
        (
            train_batches(ShardedDataset(shapes, manifest), options, epochs=3, seed=1),
            train_batches(made.dataset, of_pixels, epochs=3, seed=1),
        ),
        (
            eval_batches(ShardedDataset(shapes, manifest), "test", options),
            eval_batches(made.dataset, "test", of_pixels),
        ),
    )
    for expected, received in pairs:
        count = 0
        for one, other in zip(expected, received, strict=True):
            count += 1
            for tensor, same in zip(one, other, strict=True):
                np.testing.assert_array_equal(tensor, same)
        assert count > 1


def test_it_is_found_again_and_nothing_is_decoded(shapes, cache, monkeypatch):
    made = decode_to(cache, shapes)
    before = snapshot(cache)
    forbid_decoding(monkeypatch)
    found = decode_to(cache, shapes)
    assert made.story == f"made in {cache}: 24 images of {SIZE}x{SIZE} pixels, 15 kB"
    assert found.story == made.story.replace("made", "found")
    assert found.dataset.manifest == made.dataset.manifest
    assert snapshot(cache) == before


@pytest.mark.parametrize(
    ("changes", "replaced"),
    [
        ({"image_size": SIZE + 1}, f"images of --image_size={SIZE}"),
        ({"decode_ratio": 2}, "images of --decode_ratio=1"),
        ({"class_names": ("a", "b", "c")}, "images of another data set"),
    ],
)
def test_a_set_of_another_origin_is_replaced(shapes, cache, changes, replaced):
    decode_to(cache, shapes)
    made = decode_to(cache, shapes, **changes)
    assert made.story.startswith(f"made in {cache} in place of {replaced}: 24 images of ")
    assert verify(cache, progress=False).problems == ()
    assert load_manifest(cache) == made.dataset.manifest
    assert decode_to(cache, shapes, **changes).story.startswith("found")
    assert sorted(os.listdir(cache.parent)) == ["shapes", "shapes.cache"]


def test_what_another_tensorflow_decoded_is_replaced(shapes, cache, monkeypatch):
    decode_to(cache, shapes)
    received = tf.__version__
    monkeypatch.setattr(tf, "__version__", "1.0")
    story = decode_to(cache, shapes).story
    assert f"in place of images that TensorFlow {received} decoded: " in story


DAMAGE = {
    "a cut shard": lambda cache, shard: os.truncate(cache / shard, 1000),
    "a missing shard": lambda cache, shard: (cache / shard).unlink(),
    "a missing index": lambda cache, shard: (cache / INDEX_NAME).unlink(),
    "another index": lambda cache, shard: (cache / INDEX_NAME).write_bytes(b"index"),
}


@pytest.mark.parametrize("fault", DAMAGE)
def test_a_damaged_one_is_made_again(shapes, cache, fault):
    made = decode_to(cache, shapes)
    whole = snapshot(cache).keys()
    DAMAGE[fault](cache, made.dataset.manifest.splits["test"].shards[0].name)
    assert decode_to(cache, shapes).story.startswith(f"made in {cache} in place of damaged ones: ")
    assert verify(cache, progress=False).problems == ()
    assert snapshot(cache).keys() == whole


def a_file(cache, shapes):
    cache.write_text("mine")


def other_files(cache, shapes):
    cache.mkdir()
    (cache / "notes.txt").write_text("mine")


def another_set(cache, shapes):
    shutil.copytree(shapes, cache)


def an_unreadable_manifest(cache, shapes):
    decode_to(cache, shapes)
    os.truncate(cache / MANIFEST_NAME, 100)


@pytest.mark.parametrize(
    ("put", "held"),
    [
        (a_file, "something, but no manifest.json that can be read"),
        (other_files, "something, but no manifest.json that can be read"),
        (another_set, "a set that --cache=disk did not make"),
        (an_unreadable_manifest, "something, but no manifest.json that can be read"),
    ],
)
def test_anything_else_is_refused_and_stays(shapes, cache, monkeypatch, put, held):
    put(cache, shapes)
    before = snapshot(cache.parent)
    forbid_decoding(monkeypatch)
    with pytest.raises(InputError) as caught:
        decode_to(cache, shapes)
    assert f"received --cache_dir={cache}, which holds {held}, expected " in str(caught.value)
    assert "choose another --cache_dir" in str(caught.value)
    assert snapshot(cache.parent) == before


def test_a_file_beside_the_decoded_images_is_not_lost(shapes, cache):
    decode_to(cache, shapes)
    (cache / "notes.txt").write_text("mine")
    assert decode_to(cache, shapes).story.startswith("found")
    before = snapshot(cache)
    with pytest.raises(InputError, match="holds images of --image_size=12 and also 'notes.txt'"):
        decode_to(cache, shapes, SIZE + 1)
    assert snapshot(cache) == before


@pytest.mark.parametrize("earlier", [False, True], ids=["nothing", "earlier"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interruption_leaves_what_was_there(shapes, cache, monkeypatch, earlier, error):
    if earlier:
        decode_to(cache, shapes)
    before = snapshot(cache.parent)
    written = []

    def write_one(path, records):
        if written:
            raise error
        written.append(path)
        return write_shard(path, records)

    write_shard = cache_module.write_shard
    monkeypatch.setattr(cache_module, "write_shard", write_one)
    with pytest.raises((KeyboardInterrupt, InputError)) as caught:
        decode_to(cache, shapes, SIZE + 1)
    assert written
    assert snapshot(cache.parent) == before
    assert cache.exists() == earlier
    if isinstance(error, OSError):
        assert "cannot be written (No space left on device)" in str(caught.value)
        assert "choose another --cache_dir" in str(caught.value)


KILLED = """
import os, signal, sys
from pipelines.loading import cache
from pipelines.tfrecords.verification import damage_named
from pipelines.loading.cache import decoded_set
from pipelines.tfrecords.manifest import open_dataset

def write_one(path, records):
    write_shard(path, records)
    os.kill(os.getpid(), signal.SIGKILL)

write_shard = cache.write_shard
cache.write_shard = write_one
decoded_set(open_dataset(sys.argv[1]), 12, 1, cache_dir=sys.argv[2])
"""


def test_what_a_killed_run_leaves_the_next_one_clears(shapes, cache):
    command = [sys.executable, "-c", KILLED, str(shapes), str(cache)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    (left,) = (name for name in os.listdir(cache.parent) if name != "shapes")
    assert left.startswith(".shapes.cache.tmp-") and os.listdir(cache.parent / left)
    assert decode_to(cache, shapes).story.startswith("made")
    assert sorted(os.listdir(cache.parent)) == ["shapes", "shapes.cache"]


def test_one_that_a_killed_run_has_moved_aside_is_found(shapes, cache):
    decode_to(cache, shapes)
    cache.rename(cache.with_name(".shapes.cache.old-1"))
    assert decode_to(cache, shapes).story.startswith("found")
    assert sorted(os.listdir(cache.parent)) == ["shapes", "shapes.cache"]


def test_what_came_to_be_there_meanwhile_stays(shapes, cache, monkeypatch):
    def write_one(path, records):
        cache.mkdir(exist_ok=True)
        (cache / "notes.txt").write_text("mine")
        return write_shard(path, records)

    write_shard = cache_module.write_shard
    monkeypatch.setattr(cache_module, "write_shard", write_one)
    with pytest.raises(InputError, match=r"is not empty \(any more\)"):
        decode_to(cache, shapes)
    assert os.listdir(cache) == ["notes.txt"]
    assert sorted(os.listdir(cache.parent)) == ["shapes", "shapes.cache"]


def test_two_at_once_make_it_once(shapes, cache, monkeypatch, capsys):
    halfway, go_on = threading.Event(), threading.Event()
    stories, made = {}, []

    def write_one(path, records):
        made.append(path)
        halfway.set()
        assert go_on.wait(60)
        return write_shard(path, records)

    def run(name):
        stories[name] = decode_to(cache, shapes).story

    write_shard = cache_module.write_shard
    monkeypatch.setattr(cache_module, "write_shard", write_one)
    first, second = (threading.Thread(target=run, args=[name]) for name in ("first", "second"))
    first.start()
    assert halfway.wait(60)
    second.start()
    second.join(1)
    assert second.is_alive() and len(made) == 1
    go_on.set()
    first.join(60)
    second.join(60)
    assert stories["first"].startswith("made") and stories["second"].startswith("found")
    assert len(made) == len(load_manifest(shapes).shards)
    line = f"Waiting for another process, which decodes {str(shapes)!r} to the disk.\n"
    assert capsys.readouterr().err == line


def test_what_another_run_reads_is_not_replaced(shapes, cache):
    decode_to(cache, shapes)
    before = snapshot(cache)
    descriptor = share_lock(cache)  # as another process has it
    assert decode_to(cache, shapes).story.startswith("found")
    with pytest.raises(InputError, match="holds images of --image_size=12, which another run read"):
        decode_to(cache, shapes, SIZE + 1)
    assert snapshot(cache) == before
    os.close(descriptor)
    assert decode_to(cache, shapes, SIZE + 1).story.startswith("made")


READER = """
import sys
from pipelines.tfrecords.verification import damage_named
from pipelines.loading.cache import decoded_set
from pipelines.tfrecords.manifest import open_dataset

dataset = open_dataset(sys.argv[1])
print(decoded_set(dataset, 12, 1, cache_dir=sys.argv[2]).story, flush=True)
sys.stdin.read()
"""


def test_a_run_reads_until_it_ends(shapes, cache):
    command = [sys.executable, "-c", READER, str(shapes), str(cache)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as process:
        assert process.stdout.readline().startswith("made")
        with pytest.raises(InputError, match="which another run reads"):
            decode_to(cache, shapes, SIZE + 1)
    assert decode_to(cache, shapes, SIZE + 1).story.startswith("made")


def test_a_full_disk_is_told_before_anything_is_written(shapes, tmp_path, monkeypatch):
    asked = []

    def usage(path):
        asked.append(Path(path))
        return shutil._ntuple_diskusage(10**9, 10**9 - 6_400_000, 6_400_000)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    cache = tmp_path / "new" / "cache"
    with pytest.raises(InputError) as caught:
        decode_to(cache, shapes, 300)
    assert "with 6.4 MB free, expected 6.5 MB for" in str(caught.value)
    assert "use --cache=none" in str(caught.value)
    assert asked == [tmp_path]
    assert os.listdir(tmp_path) == ["shapes"]
    assert decode_to(cache, shapes, 290).story.startswith("made")


def test_the_room_that_is_asked_for_is_enough(shapes, cache):
    made = decode_to(cache, shapes)
    num_bytes = sum(shard.num_bytes for shard in made.dataset.manifest.shards)
    assert num_bytes <= cache_module.pixel_set_bytes(load_manifest(shapes), SIZE) < 1.3 * num_bytes


def test_it_is_beside_the_set_unless_said_otherwise(shapes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for data_dir in ("shapes", "shapes/", shapes, "~/shapes"):
        found = decoded_set(ShardedDataset(data_dir, load_manifest(shapes)), SIZE, 1)
        assert str(found.dataset.directory) == f"{shapes}.cache"
    assert found.story.startswith("found")
    assert decoded_set(open_dataset(shapes), SIZE, 1, cache_dir="~/mine").dataset.directory == Path(
        tmp_path / "mine"
    )


def test_a_remote_set_needs_a_place(shapes, monkeypatch):
    forbid_decoding(monkeypatch)
    with pytest.raises(
        InputError, match="received --cache=disk for 'gs://bucket/set'.*--cache_dir"
    ):
        decoded_set(ShardedDataset("gs://bucket/set", load_manifest(shapes)), SIZE, 1)


@pytest.mark.parametrize("cache_dir", [None, "elsewhere"])
def test_a_set_of_pixels_is_used_as_it_is(shapes, cache, cache_dir):
    pixels = decode_to(cache, shapes)
    same = decoded_set(pixels.dataset, SIZE, 1, cache_dir=cache_dir)
    assert (str(same.dataset.directory), same.dataset.manifest) == (
        str(pixels.dataset.directory),
        pixels.dataset.manifest,
    )
    assert same.story == f"{cache} holds pixels already, which are read as they are"
    assert sorted(os.listdir(cache.parent)) == ["shapes", "shapes.cache"]


def test_a_link_stays_one(shapes, cache, tmp_path):
    (tmp_path / "fast_disk").mkdir()
    cache.symlink_to(tmp_path / "fast_disk")
    decode_to(cache, shapes)
    assert decode_to(cache, shapes, SIZE + 1).story.startswith(f"made in {tmp_path / 'fast_disk'}")
    assert cache.is_symlink() and (tmp_path / "fast_disk" / MANIFEST_NAME).exists()


def test_the_current_directory_is_refused(shapes, cache, monkeypatch):
    cache.mkdir()
    monkeypatch.chdir(cache)
    with pytest.raises(InputError, match="which is the current directory"):
        decode_to(".", shapes)


def flip_a_bit(shard):
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)


def drop_the_last_record(shard):
    *others, _ = tf.data.TFRecordDataset(str(shard)).as_numpy_iterator()
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for record in others:
            writer.write(record)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (flip_a_bit, "record 4: its data does not agree with its checksum"),
        (drop_the_last_record, " problems (the first in "),
    ],
)
def test_damage_of_the_source_is_named(shapes, cache, damage, named):
    shard = load_manifest(shapes).splits["train"].shards[0].name
    damage(shapes / shard)
    with pytest.raises(InputError) as caught:
        decode_to(cache, shapes)
    assert shard in str(caught.value) and named in str(caught.value)
    assert os.listdir(cache.parent) == ["shapes"]


def test_it_says_how_far_it_is(shapes, cache, monkeypatch, capsys):
    monkeypatch.setattr("pipelines.runtime.console._SECONDS_BETWEEN_LINES", 0)
    decode_to(cache, shapes)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Decoding to disk: 1 of 24, ") and lines[0].endswith(" MB/s")
    assert lines[-1].startswith("Decoding to disk: 24 of 24, ")


def test_damage_that_shows_while_it_is_read_is_named_with_what_to_do(shapes, cache):
    decoded = decode_to(cache, shapes)
    flip_a_bit(cache / decoded.dataset.manifest.splits["train"].shards[0].name)
    options = InputOptions(image_size=SIZE, batch_size=6, cache="none")
    with pytest.raises(InputError) as caught, damage_named(cache):
        list(train_batches(decoded.dataset, options, epochs=1, seed=0))
    assert "its data does not agree with its checksum" in str(caught.value)
    assert f"move {cache} away: the next run with --cache=disk makes it again" in str(caught.value)
    assert "copy the set" not in str(caught.value)
