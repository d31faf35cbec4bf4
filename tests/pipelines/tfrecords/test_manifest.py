import dataclasses
import errno
import json
import shutil
from pathlib import Path

import pytest
from etils import epath

from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import (
    LABELS_NAME,
    MANIFEST_NAME,
    SCHEMA_VERSION,
    Manifest,
    Rejected,
    Shard,
    ShardedDataset,
    Split,
    check_shards,
    load_manifest,
    open_dataset,
    write_manifest,
)


@pytest.fixture
def manifest() -> Manifest:
    return Manifest(
        schema_version=SCHEMA_VERSION,
        name="pets",
        class_names=("cats", "dögs"),
        splits={
            "train": Split((2, 1), (Shard("pets-train.tfrecord-00000-of-00001", 3, 5, "aa"),)),
            "test": Split((1, 1), (Shard("pets-test.tfrecord-00000-of-00001", 2, 4, "bb"),)),
        },
        encoding="jpeg",
        image_shape=(None, None, 3),
        source={"kind": "folder", "num_images": 6},
        settings={"seed": 0},
        rejected=(Rejected("cats/7\udcff\n.jpg", "empty file"),),
        normalised={"GIF file": 1},
        remarks={"PNG under .jpg": 1},
        duplicates=(("cats/1.jpg", "cats/ü.jpg"),),
        metadata={"features.json": "cc"},
    )


@pytest.fixture
def copied_set(data_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(data_dir, tmp_path / "copy"))


def test_round_trip(manifest: Manifest, tmp_path: Path):
    write_manifest(tmp_path, manifest)
    assert load_manifest(tmp_path) == manifest
    assert load_manifest(str(tmp_path)).splits["train"].num_examples == 3


def test_fingerprint_follows_the_data_and_nothing_else(manifest: Manifest):
    elsewhere = dataclasses.replace(manifest, source={"kind": "archive"}, name="other")
    assert elsewhere.fingerprint == manifest.fingerprint
    other_shard = dataclasses.replace(manifest.splits["test"].shards[0], sha256="cc")
    test = dataclasses.replace(manifest.splits["test"], shards=(other_shard,))
    changed = dataclasses.replace(manifest, splits={**manifest.splits, "test": test})
    renamed = dataclasses.replace(manifest, class_names=("cats", "hounds"))
    assert len({manifest.fingerprint, changed.fingerprint, renamed.fingerprint}) == 3


def test_missing_directory_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(InputError) as caught:
        load_manifest(tmp_path / "nowhere")
    assert "does not exist" in str(caught.value)
    assert f"make_tfrecords --source=... --output_dir={tmp_path / 'nowhere'}" in str(caught.value)


def test_directory_without_manifest_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(InputError) as caught:
        load_manifest(tmp_path)
    assert "without a manifest.json" in str(caught.value)
    assert "python -m pipelines.make_tfrecords" in str(caught.value)


@pytest.mark.parametrize("text", ["{", "", "[1, 2]", "\udcff"])
def test_unreadable_manifest(text: str, tmp_path: Path):
    data = text.encode("utf-8", "surrogateescape")
    (tmp_path / MANIFEST_NAME).write_bytes(data)
    with pytest.raises(InputError) as caught:
        load_manifest(tmp_path)
    assert MANIFEST_NAME in str(caught.value) and "expected" in str(caught.value)


def _edited(manifest: Manifest, directory: Path, **changes: object) -> Path:
    write_manifest(directory, manifest)
    document = json.loads((directory / MANIFEST_NAME).read_text())
    document.update(changes)
    document = {name: value for name, value in document.items() if value != "REMOVE"}
    (directory / MANIFEST_NAME).write_text(json.dumps(document))
    return directory


def test_other_schema_version(manifest: Manifest, tmp_path: Path):
    newer = SCHEMA_VERSION + 1
    with pytest.raises(InputError, match=f"version {newer}, expected {SCHEMA_VERSION}; update"):
        load_manifest(_edited(manifest, tmp_path, schema_version=newer))


@pytest.mark.parametrize("earlier", [1, 2])  # without an index of the records
def test_an_earlier_schema_is_to_be_made_again(earlier: int, manifest: Manifest, tmp_path: Path):
    with pytest.raises(InputError) as caught:
        load_manifest(_edited(manifest, tmp_path, schema_version=earlier))
    assert f"version {earlier}, expected {SCHEMA_VERSION}; make one" in str(caught.value)
    assert str(caught.value).endswith("--output_dir=ANOTHER_DIRECTORY`.")


def test_a_changed_entry_does_not_agree_with_the_checksum(manifest: Manifest, tmp_path: Path):
    with pytest.raises(InputError, match="does not agree with its own checksum"):
        load_manifest(_edited(manifest, tmp_path, normalised={"GIF file": 2}))


@pytest.mark.parametrize(
    "field", [field.name for field in dataclasses.fields(Manifest) if field.name[0] != "_"]
)
def test_missing_field_is_named(field: str, manifest: Manifest, tmp_path: Path):
    with pytest.raises(InputError) as caught:
        load_manifest(_edited(manifest, tmp_path, **{field: "REMOVE"}))
    assert field.replace("schema_version", "schema version") in str(caught.value)


def test_counts_that_do_not_add_up(manifest: Manifest, tmp_path: Path):
    with pytest.raises(InputError, match="counts of the split 'train' do not add up"):
        load_manifest(_edited(manifest, tmp_path, class_names=["cats", "dogs", "fish"]))


def test_shard_outside_the_directory(manifest: Manifest, tmp_path: Path):
    shard = dict(name="../x", num_examples=3, num_bytes=1, sha256="a")
    splits = {"train": {"class_counts": [2, 1], "shards": [shard]}}
    with pytest.raises(InputError, match=r"'\.\./x' lies outside"):
        load_manifest(_edited(manifest, tmp_path, splits=splits))


def test_whole_set_passes_the_check(copied_set: Path):
    check_shards(open_dataset(copied_set))


def test_missing_shard_is_named(copied_set: Path):
    manifest = load_manifest(copied_set)
    name = manifest.splits["test"].shards[-1].name
    (copied_set / name).unlink()
    with pytest.raises(InputError) as caught:
        check_shards(ShardedDataset(copied_set, manifest))
    assert name in str(caught.value) and "no such file" in str(caught.value)


def test_cut_shard_is_named_with_both_sizes(copied_set: Path):
    manifest = load_manifest(copied_set)
    shard = manifest.splits["train"].shards[0]
    with open(copied_set / shard.name, "r+b") as stream:
        stream.truncate(100)
    with pytest.raises(InputError) as caught:
        check_shards(ShardedDataset(copied_set, manifest))
    for part in (shard.name, "100 bytes", f"expected {shard.num_bytes} bytes"):
        assert part in str(caught.value)


def test_a_shard_that_cannot_be_read_is_named(copied_set: Path, monkeypatch: pytest.MonkeyPatch):
    manifest = load_manifest(copied_set)

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(type(epath.Path(copied_set)), "open", refuse)
    with pytest.raises(InputError, match="cannot be read .Permission denied") as caught:
        check_shards(ShardedDataset(copied_set, manifest))
    assert manifest.splits["train"].shards[0].name in str(caught.value)


def test_labels_of_another_set(copied_set: Path):
    (copied_set / LABELS_NAME).write_text("lines\ncircles\nsquares\n")
    with pytest.raises(InputError) as caught:
        check_shards(open_dataset(copied_set))
    assert "lines, circles, squares" in str(caught.value)
    assert "expected circles, lines, squares" in str(caught.value)
