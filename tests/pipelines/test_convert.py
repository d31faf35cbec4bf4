import dataclasses
import hashlib
import os
import shutil
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image
from sklearn.model_selection import train_test_split

from pipelines.convert import convert
from pipelines.dataset import InputOptions, eval_batches
from pipelines.errors import InputError
from pipelines.example import parse_example
from pipelines.local_engine import LocalEngine
from pipelines.manifest import Manifest, check_shards, load_manifest
from pipelines.settings import Settings
from pipelines.sources import open_source


def _records(directory: Path, manifest: Manifest, split: str) -> list[dict[str, object]]:
    paths = [str(directory / shard.name) for shard in manifest.splits[split].shards]
    dataset = tf.data.TFRecordDataset(paths).map(parse_example)
    return list(dataset.as_numpy_iterator())


def _files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def _shards(directory: Path) -> dict[str, bytes]:
    return {name: data for name, data in _files(directory).items() if name != "manifest.json"}


def _convert(
    path: Path | str, output: Path, num_threads: int | None = None, **settings: Any
) -> Manifest:
    return convert(
        open_source(str(path)),
        Settings(shards=2, **settings),
        output,
        engine=LocalEngine(num_threads),
    )


def test_every_image_comes_back_with_its_bytes_label_and_name(image_folder: Path, tmp_path: Path):
    manifest = _convert(image_folder, tmp_path / "set")
    seen = {}
    for split in manifest.splits:
        for record in _records(tmp_path / "set", manifest, split):
            name = record["file_name"].decode()
            assert manifest.class_names[record["label"]] == name.split("/")[0]
            assert record["sha256"].decode() == hashlib.sha256(record["image"]).hexdigest()
            seen[name] = record["image"]
    paths = image_folder.rglob("*.jpg")
    assert seen == {path.relative_to(image_folder).as_posix(): path.read_bytes() for path in paths}


def test_the_split_is_the_tutorials(image_folder: Path, tmp_path: Path):
    manifest = _convert(image_folder, tmp_path / "set")
    paths = sorted(str(path) for path in image_folder.rglob("*.jpg"))
    labels = [path.split(os.sep)[-2] for path in paths]
    expected = train_test_split(paths, test_size=0.25, stratify=labels, random_state=42)
    for split, wanted in zip(("train", "test"), expected, strict=True):
        records = _records(tmp_path / "set", manifest, split)
        names = {str(image_folder / record["file_name"].decode()) for record in records}
        assert names == set(wanted) and len(records) == len(wanted)
        counts = Counter(record["label"] for record in records)
        assert manifest.splits[split].class_counts == tuple(counts[i] for i in range(3))


def test_classes_are_mixed_in_the_order_of_the_records(data_dir: Path):
    labels = [record["label"] for record in _records(data_dir, load_manifest(data_dir), "train")]
    assert labels != sorted(labels)


def test_the_manifest_says_what_is_there(data_dir: Path):
    manifest = load_manifest(data_dir)
    check_shards(data_dir, manifest)
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
    plain = _convert(image_folder, tmp_path / "plain")
    manifest = _convert(image_folder, tmp_path / "set", validation_fraction=0.25)
    names = {
        split: {record["file_name"] for record in _records(tmp_path / "set", manifest, split)}
        for split in manifest.splits
    }
    before = {record["file_name"] for record in _records(tmp_path / "plain", plain, "train")}
    assert {split: len(of) for split, of in names.items()} == {
        "train": 12, "test": 6, "validation": 6,
    }  # fmt: skip
    assert names["train"] | names["validation"] == before
    assert not names["train"] & names["validation"]


def test_the_same_source_gives_the_same_bytes(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    _convert(image_folder, tmp_path / "one", num_threads=1)
    walk = os.walk

    def shuffled(*arguments: object, **options: object):
        for folder, folder_names, file_names in walk(*arguments, **options):
            np.random.default_rng(3).shuffle(folder_names)
            np.random.default_rng(4).shuffle(file_names)
            yield folder, folder_names, file_names

    monkeypatch.setattr(os, "walk", shuffled)
    _convert(image_folder, tmp_path / "two", num_threads=4)
    assert _files(tmp_path / "one") == _files(tmp_path / "two")


def test_folder_and_archives_give_the_same_shards(image_folder: Path, tmp_path: Path):
    reference = _convert(image_folder, tmp_path / "set")
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
        manifest = _convert(tmp_path / name, tmp_path / f"set{number}")
        assert _shards(tmp_path / f"set{number}") == _shards(tmp_path / "set")
        assert manifest.fingerprint == reference.fingerprint
        assert manifest.source["fingerprint"] == reference.source["fingerprint"]


def test_other_seeds_and_images_give_other_fingerprints(image_folder: Path, tmp_path: Path):
    manifests = [
        _convert(image_folder, tmp_path / "a"),
        _convert(image_folder, tmp_path / "b", seed=1),
        _convert(image_folder, tmp_path / "c", split_seed=1),
    ]
    first, second = sorted((image_folder / "lines").iterdir())[:2]
    first.write_bytes(second.read_bytes())
    manifests.append(_convert(image_folder, tmp_path / "d"))
    assert len({manifest.fingerprint for manifest in manifests}) == 4
    assert len({manifest.source["fingerprint"] for manifest in manifests}) == 2


def test_grey_jpegs_pass_untouched(
    image_folder: Path, tmp_path: Path, make_jpeg: Callable[..., bytes], note_fault: Callable
):
    happened = note_fault("bad input", "a greyscale JPEG")
    grey = make_jpeg(1, mode="L")
    (image_folder / "lines" / "image_0000.jpg").write_bytes(grey)
    manifest = _convert(image_folder, tmp_path / "set")
    records = [r for split in manifest.splits for r in _records(tmp_path / "set", manifest, split)]
    by_name = {record["file_name"].decode(): record["image"] for record in records}
    untouched = by_name["lines/image_0000.jpg"] == grey
    happened(f"stored {'untouched' if untouched else 'changed'}, {manifest.remarks}")
    assert untouched and manifest.normalised == {}
    assert manifest.remarks == {"greyscale, three equal channels when decoded": 1}


@pytest.mark.parametrize("file_format", ["PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_what_is_not_what_its_name_says_is_normalised_where_needed_and_counted(
    file_format: str, image_folder: Path, tmp_path: Path, note_fault: Callable
):
    happened = note_fault("bad input", f"two {file_format} files under .jpg")
    path = image_folder / "lines" / "image_0000.jpg"
    pixels = np.linspace(0, 255, 3600).reshape(30, 40, 3).astype(np.uint8)
    Image.fromarray(pixels).save(path, file_format)
    Image.fromarray(pixels[::-1]).save(path.with_name("image_0001.jpg"), file_format)
    manifest = _convert(image_folder, tmp_path / "set")
    happened(f"normalised {manifest.normalised}, {manifest.remarks}")
    assert manifest.remarks == {f"{file_format} under a name in .jpg": 2}
    assert manifest.normalised == ({} if file_format == "PNG" else {f"{file_format} file": 2})
    records = [r for split in manifest.splits for r in _records(tmp_path / "set", manifest, split)]
    by_name = {record["file_name"].decode(): record["image"] for record in records}
    stored = by_name["lines/image_0000.jpg"]
    decoded = tf.io.decode_image(stored).numpy()
    assert decoded.shape == (30, 40, 3) and decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - pixels).mean() < (3 if file_format == "WEBP" else 1)
    assert (stored == path.read_bytes()) == (file_format == "PNG")


def test_files_that_are_no_images_are_counted_in_the_manifest(
    image_folder: Path, tmp_path: Path, note_fault: Callable
):
    happened = note_fault("bad input", "Thumbs.db and notes among the images")
    for name in ("lines/Thumbs.db", "lines/notes.txt", "squares/notes.txt"):
        (image_folder / name).write_bytes(b"x")
    ignored = _convert(image_folder, tmp_path / "set").source["ignored_files"]
    happened(f"ignored {ignored}")
    assert ignored == {"file of Windows (Thumbs.db)": 1, "no image by its name": 2}
    assert load_manifest(tmp_path / "set").source["ignored_files"] == ignored


def test_normalised_images_are_counted_and_keep_the_hash_of_their_source(
    image_folder: Path, tmp_path: Path
):
    path = image_folder / "lines" / "image_0000.bmp"
    path.write_bytes(tf.io.encode_png(np.zeros((3, 3, 3), np.uint8)).numpy())
    Image.new("RGB", (3, 3), "red").save(path, "BMP")
    manifest = _convert(image_folder, tmp_path / "set")
    assert manifest.normalised == {"BMP file": 1}
    records = [r for split in manifest.splits for r in _records(tmp_path / "set", manifest, split)]
    (record,) = [r for r in records if r["file_name"] == b"lines/image_0000.bmp"]
    assert record["sha256"].decode() == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record["image"][1:4] == b"PNG"


def test_a_bad_image_stops_it_with_its_name_and_leaves_nothing(
    image_folder: Path, tmp_path: Path, note_fault: Callable
):
    happened = note_fault("bad input", "--on_bad_image=fail: a cut image")
    path = image_folder / "lines" / "image_0003.jpg"
    path.write_bytes(path.read_bytes()[:900])
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(InputError) as caught:
        _convert(image_folder, tmp_path / "deep" / "set")
    happened(caught.value)
    for part in ("'lines/image_0003.jpg'", "truncated", "--on_bad_image=skip"):
        assert part in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == before


def test_skipped_images_are_listed_and_the_rest_is_converted(
    image_folder: Path, tmp_path: Path, note_fault: Callable
):
    happened = note_fault("bad input", "--on_bad_image=skip: two empty images of 24")
    for name in ("squares/image_0001.jpg", "lines/image_0002.jpg"):
        (image_folder / name).write_bytes(b"")
    manifest = _convert(image_folder, tmp_path / "set", on_bad_image="skip")
    rejected = [(entry.file_name, entry.reason) for entry in manifest.rejected]
    converted = sum(split.num_examples for split in manifest.splits.values())
    happened(f"{converted} converted, listed: {rejected}")
    assert rejected == [
        ("lines/image_0002.jpg", "empty file"), ("squares/image_0001.jpg", "empty file"),
    ]  # fmt: skip
    assert converted == 22
    assert load_manifest(tmp_path / "set") == manifest


@pytest.mark.parametrize("left", [0, 3])
def test_skipping_may_leave_too_few_of_a_class(
    left: int, image_folder: Path, tmp_path: Path, note_fault: Callable
):
    happened = note_fault("bad input", f"--on_bad_image=skip leaves {left} of a class")
    for path in sorted((image_folder / "lines").iterdir())[left:]:
        path.write_bytes(b"")
    with pytest.raises(InputError) as caught:
        _convert(image_folder, tmp_path / "set", on_bad_image="skip")
    happened(caught.value)
    assert f"received {left} images of the class 'lines', expected at least 4" in str(caught.value)
    assert not (tmp_path / "set").exists()


def test_too_small_a_class_is_told_before_any_image_is_read(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, note_fault: Callable
):
    happened = note_fault("bad input", "too small a class")
    for path in sorted((image_folder / "lines").iterdir())[3:]:
        path.unlink()
    source = open_source(str(image_folder))
    unread = dataclasses.replace(source, images=lambda: pytest.fail("an image was asked for"))
    with pytest.raises(InputError, match="received 3 images of the class 'lines'") as caught:
        convert(unread, Settings(), tmp_path / "set")
    happened(caught.value)


def test_a_source_that_breaks_off_leaves_nothing(
    image_folder: Path, tmp_path: Path, note_fault: Callable
):
    happened = note_fault("bad input", "a source that changes while it is read")
    source = open_source(str(image_folder))
    shutil.rmtree(image_folder / "squares")
    (image_folder / "squares").mkdir()
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(InputError, match="changed while it was read") as caught:
        convert(source, Settings(), tmp_path / "set")
    happened(caught.value)
    assert sorted(os.listdir(tmp_path)) == before


def test_too_many_bad_images_stop_it(image_folder: Path, tmp_path: Path, note_fault: Callable):
    happened = note_fault("bad input", "--max_bad_images=2: three empty images")
    for number in range(3):
        (image_folder / "lines" / f"bad_{number}.jpg").write_bytes(b"")
    message = "received 3 bad images so far.*--max_bad_images=2"
    with pytest.raises(InputError, match=message) as caught:
        _convert(image_folder, tmp_path / "set", on_bad_image="skip", max_bad_images=2)
    happened(caught.value)
    manifest = _convert(image_folder, tmp_path / "set", on_bad_image="skip", max_bad_images=3)
    assert len(manifest.rejected) == 3


def test_names_of_any_bytes_travel_losslessly(
    image_folder: Path, tmp_path: Path, note_fault: Callable
):
    happened = note_fault("bad input", "names with a space, newline, unicode, no UTF-8")
    names = [b"a b.jpg", b"new\nline.jpg", "gr\u00fc\u00df.jpg".encode(), b"\xff\xfe.jpg"]
    lines = os.fsencode(image_folder / "lines")
    data = (image_folder / "lines" / "image_0000.jpg").read_bytes()
    for number, name in enumerate(names):
        with open(os.path.join(lines, name), "wb") as stream:
            stream.write(data + bytes([number]))  # bytes behind the end of a JPEG are no harm
    (image_folder / "lines" / "image_0000.jpg").unlink()
    with open(os.path.join(lines, b"bad\xff.jpg"), "wb"):
        pass
    manifest = _convert(image_folder, tmp_path / "set", on_bad_image="skip")
    records = [r for split in manifest.splits for r in _records(tmp_path / "set", manifest, split)]
    stored = {record["file_name"] for record in records}
    whole = sum(b"lines/" + name in stored for name in names)
    (rejected,) = load_manifest(tmp_path / "set").rejected
    happened(f"{whole} of {len(names)} are in the records; rejected {rejected.file_name}")
    assert whole == len(names)
    assert os.fsencode(rejected.file_name) == b"lines/bad\xff.jpg"


def test_the_same_bytes_under_two_labels_are_an_error_that_names_both(
    image_folder: Path, tmp_path: Path, note_fault: Callable
):
    happened = note_fault("bad input", "the same file under two labels")
    shutil.copy(image_folder / "lines" / "image_0000.jpg", image_folder / "squares" / "copy.jpg")
    with pytest.raises(InputError) as caught:
        _convert(image_folder, tmp_path / "set")
    happened(caught.value)
    for part in ("'lines/image_0000.jpg' (lines)", "'squares/copy.jpg' (squares)"):
        assert part in str(caught.value)
    assert not (tmp_path / "set").exists()


def test_the_same_bytes_under_one_label_are_counted(
    image_folder: Path, tmp_path: Path, note_fault: Callable
):
    happened = note_fault("bad input", "two copies of a file under its label")
    for number in range(2):
        shutil.copy(
            image_folder / "lines" / "image_0000.jpg", image_folder / "lines" / f"copy_{number}.jpg"
        )
    manifest = _convert(image_folder, tmp_path / "set", group_duplicates=True)
    copies = manifest.source["byte_identical_images"]
    happened(f"{copies} counted in the manifest, and named: {manifest.duplicates}")
    assert copies == 2
    assert manifest.duplicates == (
        ("lines/copy_0.jpg", "lines/copy_1.jpg", "lines/image_0000.jpg"),
    )


def _picture(folder: Path, seed: int, quality: int, name: str) -> None:
    coarse = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((160, 120), Image.Resampling.BICUBIC)
    picture.save(folder / name, quality=quality)


@pytest.fixture
def folder_with_copies(tmp_path: Path) -> Path:
    """Two classes of 12 pictures, each of which is there twice, at another quality."""
    for label, class_name in enumerate(("day", "night")):
        (tmp_path / "pictures" / class_name).mkdir(parents=True)
        for number in range(12):
            folder, seed = tmp_path / "pictures" / class_name, 100 * label + number
            _picture(folder, seed, 95, f"{number:02}.jpg")
            _picture(folder, seed, 70, f"{number + 12:02}.jpg")
    return tmp_path / "pictures"


def test_near_identical_images_are_kept_together_and_named(
    folder_with_copies: Path, tmp_path: Path, note_fault: Callable
):
    happened = note_fault("bad input", "24 pictures, each there at two qualities")

    def divided(manifest: Manifest, directory: Path) -> int:
        part_of = {
            record["file_name"].decode(): split
            for split in manifest.splits
            for record in _records(directory, manifest, split)
        }
        numbers = [f"{class_name}/{n:02}" for class_name in ("day", "night") for n in range(12)]
        copies = [f"{name[:-2]}{int(name[-2:]) + 12:02}" for name in numbers]
        return sum(
            part_of[f"{one}.jpg"] != part_of[f"{other}.jpg"]
            for one, other in zip(numbers, copies, strict=True)
        )

    plain = _convert(folder_with_copies, tmp_path / "plain")
    before = divided(plain, tmp_path / "plain")
    assert before > 0 and plain.duplicates == ()
    grouped = _convert(folder_with_copies, tmp_path / "set", group_duplicates=True)
    after = divided(grouped, tmp_path / "set")
    happened(f"{len(grouped.duplicates)} groups named; {after} divided, ungrouped {before}")
    assert after == 0
    assert len(grouped.duplicates) == 24 and grouped.duplicates[0] == ("day/00.jpg", "day/12.jpg")
    assert grouped.splits["test"].num_examples == 12


def test_a_near_identical_image_under_another_label_is_an_error_only_where_they_are_grouped(
    folder_with_copies: Path, tmp_path: Path, note_fault: Callable
):
    happened = note_fault("bad input", "nearly the same picture under two labels")
    _picture(folder_with_copies / "night", 3, 60, "odd.jpg")
    _convert(folder_with_copies, tmp_path / "plain")
    with pytest.raises(InputError) as caught:
        _convert(folder_with_copies, tmp_path / "set", group_duplicates=True)
    happened(caught.value)
    assert "(day) and 'night/odd.jpg' (night)" in str(caught.value)


def _with_own_parts(image_folder: Path, base: Path) -> Path:
    for class_folder in image_folder.iterdir():
        for number, path in enumerate(sorted(class_folder.iterdir())):
            part = "val" if number == 0 else "test" if number in (3, 4) else "train"
            target = base / part / class_folder.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    return base


def test_a_source_with_parts_keeps_them(image_folder: Path, tmp_path: Path):
    folder = _with_own_parts(image_folder, tmp_path / "parts")
    for split in ("auto", "source"):
        manifest = _convert(folder, tmp_path / split, split=split)
        for part, count in (("train", 15), ("test", 6), ("validation", 3)):
            names = {r["file_name"].decode() for r in _records(tmp_path / split, manifest, part)}
            own_name = "val" if part == "validation" else part
            assert len(names) == count
            assert all(name.startswith(f"{own_name}/") for name in names)
    anew = _convert(folder, tmp_path / "anew", split="stratified")
    assert {part: split.num_examples for part, split in anew.splits.items()} == {
        "train": 18, "test": 6,
    }  # fmt: skip


def test_a_source_without_parts_cannot_be_asked_for_them(
    image_folder: Path, tmp_path: Path, note_fault: Callable
):
    happened = note_fault("bad input", "--split=source: a source without parts")
    message = "--split=source for 'shapes', which has no parts"
    with pytest.raises(InputError, match=message) as caught:
        _convert(image_folder, tmp_path / "set", split="source")
    happened(caught.value)


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
    plain = _convert(image_folder, tmp_path / "plain")
    raw = _convert(image_folder, tmp_path / "raw", encoding="raw", image_size=16)
    assert (raw.encoding, raw.image_shape) == ("raw", (16, 16, 3))
    options = InputOptions(image_size=16, batch_size=4)
    for split in ("train", "test"):
        batches = [
            list(eval_batches(tmp_path / name, manifest, split, options).as_numpy_iterator())
            for name, manifest in (("plain", plain), ("raw", raw))
        ]
        for ours, theirs in zip(*batches, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    builder = tfds.builder_from_directory(str(tmp_path / "raw"))
    example = next(iter(tfds.as_numpy(builder.as_dataset(split="test"))))
    assert example["image"].shape == (16, 16, 3) and example["image"].dtype == np.uint8
    with pytest.raises(InputError, match="pass --image_size=16"):
        eval_batches(tmp_path / "raw", raw, "test", InputOptions(image_size=32))


def test_our_sets_are_sources_again_by_way_of_tensorflow_datasets(
    image_folder: Path, tmp_path: Path
):
    first = _convert(image_folder, tmp_path / "first", validation_fraction=0.25)
    second = _convert(f"tfds:{tmp_path / 'first'}", tmp_path / "second")
    assert second.class_names == first.class_names
    for split in first.splits:
        one, two = (
            sorted(
                (record["label"], record["image"]) for record in _records(tmp_path / name, m, split)
            )
            for name, m in (("first", first), ("second", second))
        )
        assert one == two
