import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import Manifest
from tests.pipelines.conversion.converted import convert_folder, records_of


def test_the_same_bytes_under_two_labels_are_an_error_that_names_both(
    image_folder: Path, tmp_path: Path, note_fault: Callable
):
    happened = note_fault("bad input", "the same file under two labels")
    shutil.copy(image_folder / "lines" / "image_0000.jpg", image_folder / "squares" / "copy.jpg")
    with pytest.raises(InputError) as caught:
        convert_folder(image_folder, tmp_path / "set")
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
    manifest = convert_folder(image_folder, tmp_path / "set", group_duplicates=True)
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
        worker_data = {
            record["file_name"].decode(): split
            for split in manifest.splits
            for record in records_of(directory, manifest, split)
        }
        numbers = [f"{class_name}/{n:02}" for class_name in ("day", "night") for n in range(12)]
        copies = [f"{name[:-2]}{int(name[-2:]) + 12:02}" for name in numbers]
        return sum(
            worker_data[f"{one}.jpg"] != worker_data[f"{other}.jpg"]
            for one, other in zip(numbers, copies, strict=True)
        )

    plain = convert_folder(folder_with_copies, tmp_path / "plain")
    before = divided(plain, tmp_path / "plain")
    assert before > 0 and plain.duplicates == ()
    grouped = convert_folder(folder_with_copies, tmp_path / "set", group_duplicates=True)
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
    convert_folder(folder_with_copies, tmp_path / "plain")
    with pytest.raises(InputError) as caught:
        convert_folder(folder_with_copies, tmp_path / "set", group_duplicates=True)
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
        manifest = convert_folder(folder, tmp_path / split, split=split)
        for part, count in (("train", 15), ("test", 6), ("validation", 3)):
            names = {r["file_name"].decode() for r in records_of(tmp_path / split, manifest, part)}
            own_name = "val" if part == "validation" else part
            assert len(names) == count
            assert all(name.startswith(f"{own_name}/") for name in names)
    anew = convert_folder(folder, tmp_path / "anew", split="stratified")
    assert {part: split.num_examples for part, split in anew.splits.items()} == {
        "train": 18, "test": 6,
    }  # fmt: skip


def test_a_source_without_parts_cannot_be_asked_for_them(
    image_folder: Path, tmp_path: Path, note_fault: Callable
):
    happened = note_fault("bad input", "--split=source: a source without parts")
    message = "--split=source for 'shapes', which has no parts"
    with pytest.raises(InputError, match=message) as caught:
        convert_folder(image_folder, tmp_path / "set", split="source")
    happened(caught.value)
