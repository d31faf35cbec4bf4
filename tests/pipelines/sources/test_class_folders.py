import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.sources import open_source

CLASSES = ("cats", "dogs")


def _write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


@pytest.fixture
def split_folder(tmp_path: Path) -> Path:
    """Folders train, Val and test, each with two images of cats and one of dogs."""
    folder = tmp_path / "pets"
    for split in ("train", "Val", "test"):
        _write(folder, *(f"{split}/{name}.jpg" for name in ("cats/1", "cats/2", "dogs/1")))
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_the_splits_of_the_source_are_kept(packed: bool, split_folder: Path, tmp_path: Path):
    _write(split_folder, "readme.jpg", "Val/contact_sheet.jpg", "docs/how.txt")
    path = split_folder
    if packed:
        path = tmp_path / "pets.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(split_folder.rglob("*.*")):
                archive.write(file, file.relative_to(tmp_path))
    source = open_source(str(path))
    of_each = {"cats": 2, "dogs": 1}
    assert list(source.split_counts.items()) == [
        ("train", of_each), ("test", of_each), ("validation", of_each),
    ]  # fmt: skip
    assert source.class_counts == {"cats": 6, "dogs": 3}
    assert source.num_images == 9
    assert source.ignored_files == {
        "image outside the class folders": 2, "no image by its name": 1,
    }  # fmt: skip
    images = {image.file_name: image for image in source.images()}
    assert len(images) == 9
    assert images["Val/dogs/1.jpg"][:2] == ("dogs", "Val/dogs/1.jpg")
    assert images["Val/dogs/1.jpg"].split == "validation"
    assert all(image.read() == name.encode() for name, image in images.items())
    assert {name.split("/")[0]: image.split for name, image in images.items()} == {
        "train": "train", "Val": "validation", "test": "test",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "split"),
    [("TRAIN", "train"), ("Test", "test"), ("valid", "validation"), ("Validation", "validation"),
     ("training", "")],
)  # fmt: skip
def test_how_split_folders_may_be_named(name: str, split: str, tmp_path: Path, refusal: Callable):
    other = "test" if split == "train" else "train"
    _write(tmp_path, *(f"{part}/{c}/1.jpg" for part in (name, other) for c in CLASSES))
    if split:
        assert set(open_source(str(tmp_path)).split_counts) == {split, other}
    else:
        assert f"{name}/" in refusal(tmp_path, fault="split folder of an unknown name")


def test_without_split_folders_there_are_no_splits(image_folder: Path):
    source = open_source(str(image_folder))
    assert source.split_counts == {"": {"circles": 8, "lines": 8, "squares": 8}}
    assert {image.split for image in source.images()} == {""}


def test_a_single_split_folder_is_seen_through(split_folder: Path):
    shutil.rmtree(split_folder / "Val")
    shutil.rmtree(split_folder / "test")
    source = open_source(str(split_folder))
    assert source.split_counts == {"": {"cats": 2, "dogs": 1}}
    assert {image.file_name for image in source.images()} == {
        "cats/1.jpg", "cats/2.jpg", "dogs/1.jpg",
    }  # fmt: skip


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_class_that_one_split_lacks(split: str, split_folder: Path, refusal: Callable):
    shutil.rmtree(split_folder / split / "dogs")
    _write(split_folder, *(f"{part}/owls/1.jpg" for part in ("train", "Val", "test")))
    assert f"no image of the class 'dogs' in the split '{split}'" in refusal(split_folder)
    assert open_source(str(split_folder), ("cats", "owls")).num_images == 9


def test_a_class_folder_without_images_in_one_split(split_folder: Path, refusal: Callable):
    (split_folder / "Val" / "dogs" / "1.jpg").unlink()
    assert "no image of the class 'dogs' in the split 'validation'" in refusal(split_folder)


def test_splits_without_one_for_training(split_folder: Path, refusal: Callable):
    shutil.rmtree(split_folder / "train")
    assert "'train' among them" in refusal(split_folder)


def test_two_folders_for_one_split(split_folder: Path, refusal: Callable):
    shutil.copytree(split_folder / "Val", split_folder / "valid")
    assert "the folders 'Val' and 'valid'" in refusal(split_folder)


def test_split_folders_with_images_directly_in_them(tmp_path: Path, refusal: Callable):
    _write(tmp_path, "train/1.jpg", "test/1.jpg")
    assert "images directly in test, train" in refusal(tmp_path)


@pytest.mark.parametrize(
    "name", ["more/cats/1.jpg", "train/cats/more/1.jpg", "x/test/cats/1.jpg", "other/1.jpg"]
)
def test_split_folders_beside_anything_else(name: str, split_folder: Path, refusal: Callable):
    _write(split_folder, name)
    assert "different depth or parent" in refusal(
        split_folder, fault=f"split folders beside {name}"
    )


def test_the_unlabelled_test_folder_of_a_contest(split_folder: Path, refusal: Callable):
    shutil.rmtree(split_folder / "Val")
    shutil.rmtree(split_folder / "test")
    _write(split_folder, "test/1.jpg")
    assert "'test' and 'train/dogs'" in refusal(split_folder)


def test_many_classes_are_not_all_listed(tmp_path: Path, refusal: Callable):
    _write(tmp_path, *(f"class_{number:03}/1.jpg" for number in range(50)))
    assert "class_011 and 38 more" in refusal(
        tmp_path, ("cats", "class_001"), fault="a class that is not there"
    )


def test_a_single_split_folder_beside_an_image(split_folder: Path, refusal: Callable):
    shutil.rmtree(split_folder / "Val")
    shutil.rmtree(split_folder / "test")
    _write(split_folder, "preview.jpg")
    assert "different depth or parent" in refusal(split_folder)
