import dataclasses
import hashlib
import os
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from sklearn.model_selection import train_test_split

from pipelines.conversion.convert import convert
from pipelines.loading.dataset import eval_batches
from pipelines.loading.options import InputOptions
from pipelines.runtime.errors import InputError
from pipelines.sources import open_source
from pipelines.tfrecords.manifest import Settings, ShardedDataset, check_shards, load_manifest
from tests.pipelines.conversion.converted import convert_folder, files_in, records_of, shards_in


def test_every_image_comes_back_with_its_bytes_label_and_name(image_folder: Path, tmp_path: Path):
    manifest = convert_folder(image_folder, tmp_path / "set")
    seen = {}
    for split in manifest.splits:
        for record in records_of(tmp_path / "set", manifest, split):
            name = record["file_name"].decode()
            assert manifest.class_names[record["label"]] == name.split("/")[0]
            assert record["sha256"].decode() == hashlib.sha256(record["image"]).hexdigest()
            seen[name] = record["image"]
    paths = image_folder.rglob("*.jpg")
    assert seen == {path.relative_to(image_folder).as_posix(): path.read_bytes() for path in paths}


def test_the_split_is_the_tutorials(image_folder: Path, tmp_path: Path):
    manifest = convert_folder(image_folder, tmp_path / "set")
    paths = sorted(str(path) for path in image_folder.rglob("*.jpg"))
    labels = [path.split(os.sep)[-2] for path in paths]
    expected = train_test_split(paths, test_size=0.25, stratify=labels, random_state=42)
    for split, wanted in zip(("train", "test"), expected, strict=True):
        records = records_of(tmp_path / "set", manifest, split)
        names = {str(image_folder / record["file_name"].decode()) for record in records}
        assert names == set(wanted) and len(records) == len(wanted)
        counts = Counter(record["label"] for record in records)
        assert manifest.splits[split].class_counts == tuple(counts[i] for i in range(3))


def test_classes_are_mixed_in_the_order_of_the_records(data_dir: Path):
    labels = [record["label"] for record in records_of(data_dir, load_manifest(data_dir), "train")]
    assert labels != sorted(labels)


def test_the_manifest_says_what_is_there(data_dir: Path):
    manifest = load_manifest(data_dir)
    check_shards(ShardedDataset(data_dir, manifest))
    assert manifest.class_names == ("circles", "lines", "squares")
    assert {name: split.num_examples for name, split in manifest.splits.items()} == {
        "train": 18, "test": 6,
    }  # fmt: skip
    for split in manifest.splits.values():
        for shard in split.shards:
            data = (data_dir / shard.name).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (shard.num_bytes, shard.sha256)
            assert shard.num_examples == len(list(tf.data.TFRecordDataset(data_dir / shard.name)))
    assert manifest.settings == dataclasses.asdict(Settings(shards=2))


def test_tensorflow_datasets_reads_it(data_dir: Path):
    manifest = load_manifest(data_dir)
    builder = tfds.builder_from_directory(str(data_dir))
    assert builder.info.features["label"].names == list(manifest.class_names)
    for name, split in manifest.splits.items():
        assert builder.info.splits[name].num_examples == split.num_examples
        examples = list(tfds.as_numpy(builder.as_dataset(split=name)))
        counts = Counter(example["label"] for example in examples)
        assert tuple(counts[label] for label in range(3)) == split.class_counts
        assert {example["image"].shape for example in examples} == {(30, 40, 3)}


def test_a_validation_part_is_taken_from_the_training_part(image_folder: Path, tmp_path: Path):
    plain = convert_folder(image_folder, tmp_path / "plain")
    manifest = convert_folder(image_folder, tmp_path / "set", validation_fraction=0.25)
    names = {
        split: {record["file_name"] for record in records_of(tmp_path / "set", manifest, split)}
        for split in manifest.splits
    }
    before = {record["file_name"] for record in records_of(tmp_path / "plain", plain, "train")}
    assert {split: len(of) for split, of in names.items()} == {
        "train": 12, "test": 6, "validation": 6,
    }  # fmt: skip
    assert names["train"] | names["validation"] == before
    assert not names["train"] & names["validation"]


def test_the_same_source_gives_the_same_bytes(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    convert_folder(image_folder, tmp_path / "one", num_threads=1)
    walk = os.walk

    def shuffled(*arguments: object, **options: object):
        for folder, folder_names, file_names in walk(*arguments, **options):
            np.random.default_rng(3).shuffle(folder_names)
            np.random.default_rng(4).shuffle(file_names)
            yield folder, folder_names, file_names

    monkeypatch.setattr(os, "walk", shuffled)
    convert_folder(image_folder, tmp_path / "two", num_threads=4)
    assert files_in(tmp_path / "one") == files_in(tmp_path / "two")


def test_folder_and_archives_give_the_same_shards(image_folder: Path, tmp_path: Path):
    reference = convert_folder(image_folder, tmp_path / "set")
    paths = sorted(image_folder.rglob("*.jpg"), reverse=True)
    with tarfile.open(tmp_path / "shapes.tar.gz", "w:gz") as archive:
        for path in paths:
            archive.add(path, f"root/{path.relative_to(image_folder)}")
    (tmp_path / "nested").mkdir()
    with zipfile.ZipFile(tmp_path / "shapes.zip", "w") as archive:
        for path in paths:
            archive.write(path, path.relative_to(image_folder))
    with zipfile.ZipFile(tmp_path / "nested" / "shapes.zip", "w") as archive:
        archive.write(tmp_path / "shapes.tar.gz", "outer/shapes.tar.gz")
    for number, name in enumerate(("shapes.tar.gz", "shapes.zip", "nested/shapes.zip")):
        manifest = convert_folder(tmp_path / name, tmp_path / f"set{number}")
        assert shards_in(tmp_path / f"set{number}") == shards_in(tmp_path / "set")
        assert manifest.fingerprint == reference.fingerprint
        assert manifest.source["fingerprint"] == reference.source["fingerprint"]


def test_other_seeds_and_images_give_other_fingerprints(image_folder: Path, tmp_path: Path):
    manifests = [
        convert_folder(image_folder, tmp_path / "a"),
        convert_folder(image_folder, tmp_path / "b", seed=1),
        convert_folder(image_folder, tmp_path / "c", split_seed=1),
    ]
    first, second = sorted((image_folder / "lines").iterdir())[:2]
    first.write_bytes(second.read_bytes())
    manifests.append(convert_folder(image_folder, tmp_path / "d"))
    assert len({manifest.fingerprint for manifest in manifests}) == 4
    assert len({manifest.source["fingerprint"] for manifest in manifests}) == 2


def test_more_shards_than_images_leave_none_empty(
    image_folder: Path, tmp_path: Path, note_fault: Callable
):
    happened = note_fault("bad input", "--shards=100 for 24 images")
    source = open_source(str(image_folder))
    manifest = convert(source, Settings(shards=100), tmp_path / "set")
    shards = [shard for split in manifest.splits.values() for shard in split.shards]
    happened(f"{len(shards)} shards of {min(shard.num_examples for shard in shards)} or more")
    assert len(manifest.splits["train"].shards) == 18
    assert all(shard.num_examples for shard in shards)
    assert all((tmp_path / "set" / shard.name).stat().st_size for shard in shards)


def test_raw_records_are_what_training_would_decode(image_folder: Path, tmp_path: Path):
    plain = convert_folder(image_folder, tmp_path / "plain")
    raw = convert_folder(image_folder, tmp_path / "raw", encoding="raw", image_size=16)
    assert (raw.encoding, raw.image_shape) == ("raw", (16, 16, 3))
    options = InputOptions(image_size=16, batch_size=4)
    for split in ("train", "test"):
        batches = [
            list(
                eval_batches(
                    ShardedDataset(tmp_path / name, manifest), split, options
                ).as_numpy_iterator()
            )
            for name, manifest in (("plain", plain), ("raw", raw))
        ]
        for ours, theirs in zip(*batches, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    builder = tfds.builder_from_directory(str(tmp_path / "raw"))
    example = next(iter(tfds.as_numpy(builder.as_dataset(split="test"))))
    assert example["image"].shape == (16, 16, 3) and example["image"].dtype == np.uint8
    with pytest.raises(InputError, match="pass --image_size=16"):
        eval_batches(ShardedDataset(tmp_path / "raw", raw), "test", InputOptions(image_size=32))


def test_our_sets_are_sources_again_by_way_of_tensorflow_datasets(
    image_folder: Path, tmp_path: Path
):
    first = convert_folder(image_folder, tmp_path / "first", validation_fraction=0.25)
    second = convert_folder(f"tfds:{tmp_path / 'first'}", tmp_path / "second")
    assert second.class_names == first.class_names
    for split in first.splits:
        one, two = (
            sorted(
                (record["label"], record["image"])
                for record in records_of(tmp_path / name, m, split)
            )
            for name, m in (("first", first), ("second", second))
        )
        assert one == two
