import dataclasses
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines.conversion.convert import convert
from pipelines.runtime.errors import InputError
from pipelines.sources import open_source
from pipelines.tfrecords.manifest import Settings, load_manifest
from tests.pipelines.conversion.converted import convert_folder, records_of


def test_grey_jpegs_pass_untouched(
    image_folder: Path, tmp_path: Path, make_jpeg: Callable[..., bytes], note_fault: Callable
):
    happened = note_fault("bad input", "a greyscale JPEG")
    grey = make_jpeg(1, mode="L")
    (image_folder / "lines" / "image_0000.jpg").write_bytes(grey)
    manifest = convert_folder(image_folder, tmp_path / "set")
    records = [
        r for split in manifest.splits for r in records_of(tmp_path / "set", manifest, split)
    ]
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
    manifest = convert_folder(image_folder, tmp_path / "set")
    happened(f"normalised {manifest.normalised}, {manifest.remarks}")
    assert manifest.remarks == {f"{file_format} under a name in .jpg": 2}
    assert manifest.normalised == ({} if file_format == "PNG" else {f"{file_format} file": 2})
    records = [
        r for split in manifest.splits for r in records_of(tmp_path / "set", manifest, split)
    ]
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
    ignored = convert_folder(image_folder, tmp_path / "set").source["ignored_files"]
    happened(f"ignored {ignored}")
    assert ignored == {"file of Windows (Thumbs.db)": 1, "no image by its name": 2}
    assert load_manifest(tmp_path / "set").source["ignored_files"] == ignored


def test_normalised_images_are_counted_and_keep_the_hash_of_their_source(
    image_folder: Path, tmp_path: Path
):
    path = image_folder / "lines" / "image_0000.bmp"
    path.write_bytes(tf.io.encode_png(np.zeros((3, 3, 3), np.uint8)).numpy())
    Image.new("RGB", (3, 3), "red").save(path, "BMP")
    manifest = convert_folder(image_folder, tmp_path / "set")
    assert manifest.normalised == {"BMP file": 1}
    records = [
        r for split in manifest.splits for r in records_of(tmp_path / "set", manifest, split)
    ]
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
        convert_folder(image_folder, tmp_path / "deep" / "set")
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
    manifest = convert_folder(image_folder, tmp_path / "set", on_bad_image="skip")
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
        convert_folder(image_folder, tmp_path / "set", on_bad_image="skip")
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
        convert_folder(image_folder, tmp_path / "set", on_bad_image="skip", max_bad_images=2)
    happened(caught.value)
    manifest = convert_folder(image_folder, tmp_path / "set", on_bad_image="skip", max_bad_images=3)
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
    manifest = convert_folder(image_folder, tmp_path / "set", on_bad_image="skip")
    records = [
        r for split in manifest.splits for r in records_of(tmp_path / "set", manifest, split)
    ]
    stored = {record["file_name"] for record in records}
    whole = sum(b"lines/" + name in stored for name in names)
    (rejected,) = load_manifest(tmp_path / "set").rejected
    happened(f"{whole} of {len(names)} are in the records; rejected {rejected.file_name}")
    assert whole == len(names)
    assert os.fsencode(rejected.file_name) == b"lines/bad\xff.jpg"
