import io
import itertools
import os
import pickle
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipelines.runtime.errors import InputError
from pipelines.sources import STUDY_CLASSES, open_source

Members = dict[str, bytes]


def _members(folder: Path) -> Members:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _tar(path: Path, members: Members, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def _zip(path: Path, members: Members) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def _nested_zip(path: Path, members: Members) -> Path:
    """As Caltech-101 is published, with what macOS and the authors put beside the images."""
    prefixed = {f"101_ObjectCategories/{name}": data for name, data in members.items()}
    prefixed = dict(reversed(prefixed.items()))
    inner = _tar(path.with_name("inner.tar.gz"), prefixed).read_bytes()
    notes = {"Annotations/Faces_2/annotation_0001.mat": b"MATLAB"}
    annotations = _tar(path.with_name("inner.tar"), notes, "w").read_bytes()
    outer = {
        "caltech-101/101_ObjectCategories.tar.gz": inner,
        "caltech-101/Annotations.tar": annotations,
        "caltech-101/show_annotation.m": b"%",
        "__MACOSX/caltech-101/._101_ObjectCategories.tar.gz": b"\x00\x05\x16\x07",
    }
    return _zip(path, outer)


PACKERS: dict[str, Callable[[Path, Members], Path]] = {
    "set.tar.gz": _tar,
    "set.tgz": _tar,
    "set.tar": lambda path, members: _tar(path, members, "w"),
    "set.zip": _zip,
    "nested.zip": _nested_zip,
}


def _read(source_path: Path, **options: object) -> Members:
    source = open_source(str(source_path), **options)
    images = list(source.images())
    assert all(image.file_name.split("/")[0] == image.class_name for image in images)
    assert source.num_images == len(images)
    return {image.file_name: image.read() for image in images}


def test_a_folder_gives_every_image_with_its_bytes(image_folder: Path):
    source = open_source(str(image_folder))
    assert source.class_counts == {"circles": 8, "lines": 8, "squares": 8}
    assert (source.kind, source.dataset_name) == ("folder", "shapes")
    assert _read(image_folder) == _members(image_folder)
    first, second = ([image[:2] for image in source.images()] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("packed", PACKERS)
def test_an_archive_gives_what_its_folder_gives(packed: str, image_folder: Path, tmp_path: Path):
    path = PACKERS[packed](tmp_path / packed, _members(image_folder))
    before = sorted(os.listdir(tmp_path))
    assert _read(path) == _members(image_folder)
    assert open_source(str(path)).kind == "archive"
    assert sorted(os.listdir(tmp_path)) == before  # nothing unpacked


def test_folders_above_the_class_folders_are_seen_through(image_folder: Path, tmp_path: Path):
    deeper = {f"./a/b/{name}": data for name, data in _members(image_folder).items()}
    assert _read(_tar(tmp_path / "deep.tar.gz", deeper)) == _members(image_folder)
    assert _read(tmp_path) == _members(image_folder)


def test_backslashes_of_windows_zips(image_folder: Path, tmp_path: Path):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in _members(image_folder).items():
            info = zipfile.ZipInfo("x")
            info.filename = "shapes\\" + name.replace("/", "\\")
            info.create_system = 0  # MS-DOS, which Windows calls itself
            archive.writestr(info, data)
    assert _read(path) == _members(image_folder)


@pytest.fixture
def study_folder(tmp_path: Path) -> Path:
    for class_name in (*STUDY_CLASSES, "Faces_easy", "BACKGROUND_Google"):
        (tmp_path / "all" / class_name).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "all" / class_name / f"{number}.jpg").write_bytes(class_name.encode())
    return tmp_path / "all"


def test_the_studys_four_are_the_default_and_never_faces_easy(study_folder: Path):
    source = open_source(str(study_folder))
    assert source.class_names == ("Faces", "Leopards", "Motorbikes", "airplanes")
    assert {image.read() for image in source.images()} == {name.encode() for name in STUDY_CLASSES}
    assert source.dataset_name == "caltech4"


def test_chosen_classes_are_in_label_order(study_folder: Path):
    source = open_source(str(study_folder), ("airplanes", "Faces_easy", "Faces"))
    assert source.class_names == ("Faces", "Faces_easy", "airplanes")
    assert source.dataset_name == "all"


def test_without_the_four_every_class_is_taken(study_folder: Path):
    shutil.rmtree(study_folder / "Leopards")
    names = ("BACKGROUND_Google", "Faces", "Faces_easy", "Motorbikes", "airplanes")
    assert open_source(str(study_folder)).class_names == names


@pytest.mark.parametrize(
    ("name", "expected"),
    [("My Pets!", "my_pets"), ("101_Objects", "images_101_objects"), ("CatsDogs", "cats_dogs"),
     ("фото", "images")],
)  # fmt: skip
def test_the_data_set_is_named_after_its_source(name: str, expected: str, image_folder: Path):
    renamed = image_folder.rename(image_folder.with_name(name))
    assert open_source(str(renamed)).dataset_name == expected


def test_what_is_no_image_is_ignored_and_counted(
    image_folder: Path, tmp_path: Path, note_fault: Callable
):
    images = _members(image_folder)
    extras = {
        "circles/tmp": b"",
        "circles/TMP/image_0000.jpg": b"",
        "Tmp/cats/image_0000.jpg": b"",
        "lines/tmp.txt": b"",
        "circles/Thumbs.db": b"",
        "lines/.DS_Store": b"",
        "__MACOSX/circles/._image_0000.jpg": b"",
        ".git/picture.png": b"",
        "preview.JPG": b"",
    }
    counts = {
        "file of Windows (Thumbs.db)": 1,
        "file of macOS (.DS_Store)": 1,
        "file of macOS (__MACOSX)": 1,
        "hidden file": 1,
        "image outside the class folders": 1,
        "no image by its name": 1,
        "temporary file (tmp)": 3,
    }
    for name, data in extras.items():
        (image_folder / name).parent.mkdir(parents=True, exist_ok=True)
        (image_folder / name).write_bytes(data)
    packed = _zip(tmp_path / "set.zip", {**images, **extras})
    for path in (image_folder, packed):
        ignored = open_source(str(path)).ignored_files
        for reason in counts:
            note_fault("bad input", reason)(f"ignored: {ignored.get(reason, 0)} counted")
        assert ignored == counts
        assert _read(path) == images


def test_a_folder_above_may_have_the_name_of_a_class(image_folder: Path, tmp_path: Path):
    members = {f"lines/{name}": data for name, data in _members(image_folder).items()}
    path = _tar(tmp_path / "set.tar", {**members, "lines/preview.jpg": b"preview"}, "w")
    assert _read(path) == _members(image_folder)


def test_links_in_a_folder_are_followed_only_inside(
    image_folder: Path, tmp_path: Path, note_fault: Callable
):
    happened = note_fault("bad input", "links out of a folder, to folders, to nothing")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.jpg").write_bytes(b"secret")
    (image_folder / "circles" / "secret.jpg").symlink_to(outside / "secret.jpg")
    (image_folder / "circles" / "gone.jpg").symlink_to(image_folder / "nothing.jpg")
    (image_folder / "circles" / "again.jpg").symlink_to(image_folder / "lines" / "image_0000.jpg")
    (image_folder / "linked").symlink_to(outside)
    (image_folder / "circles" / "circle.jpg").symlink_to("circle.jpg")
    images = _read(image_folder)
    assert b"secret" not in images.values()
    assert images["circles/again.jpg"] == images["lines/image_0000.jpg"]
    ignored = open_source(str(image_folder)).ignored_files
    happened(f"ignored: {', '.join(ignored)}")
    assert ignored == {
        "link that points outside": 1, "link to a folder": 1, "link to nothing, or a device": 2,
    }  # fmt: skip


def test_missing_source(tmp_path: Path, refusal: Callable):
    message = refusal(tmp_path / "nowhere")
    assert "nowhere" in message and "does not exist" in message and "'sample'" in message


def test_no_images(tmp_path: Path, refusal: Callable):
    assert "without any image (empty)" in refusal(tmp_path)
    (tmp_path / "notes.txt").write_text("")
    assert "1 x no image by its name" in refusal(tmp_path)
    assert "without any image" in refusal(_zip(tmp_path / "empty.zip", {}))


def test_a_class_that_is_not_there(image_folder: Path, refusal: Callable):
    message = refusal(image_folder, ("circles", "cats"))
    assert "classes cats" in message and "circles, lines, squares" in message


def test_an_empty_class(image_folder: Path, refusal: Callable):
    (image_folder / "zebras").mkdir()
    assert "no image of the class 'zebras'" in refusal(image_folder)
    assert set(open_source(str(image_folder), ("circles", "lines")).class_names)


def test_fewer_than_two_classes(image_folder: Path, refusal: Callable):
    assert "one class 'lines'" in refusal(image_folder, ("lines",))
    shutil.rmtree(image_folder / "lines")
    shutil.rmtree(image_folder / "circles")
    assert "one class 'squares'" in refusal(image_folder)
    assert "no class folders" in refusal(image_folder / "squares")


def test_images_at_different_depths(image_folder: Path, refusal: Callable):
    (image_folder / "lines" / "more").mkdir()
    (image_folder / "lines" / "more" / "1.png").write_bytes(b"")
    assert "'lines/more'" in refusal(image_folder)


def test_two_folders_of_class_folders(image_folder: Path, tmp_path: Path, refusal: Callable):
    shutil.copytree(image_folder, tmp_path / "test")
    message = refusal(tmp_path)
    assert "different depth or parent" in message and "'shapes/" in message


def test_the_same_member_twice(image_folder: Path, tmp_path: Path, refusal: Callable):
    path = _tar(tmp_path / "set.tar", _members(image_folder), "w")
    with tarfile.open(path, "a") as archive:
        archive.add(image_folder / "lines" / "image_0001.jpg", "./lines/image_0001.jpg")
    assert "two members 'lines/image_0001.jpg'" in refusal(path)


@pytest.mark.parametrize("name", ["li\nnes", " lines", "lines\u2028", os.fsdecode(b"li\xffnes")])
def test_a_class_name_that_no_file_of_labels_can_hold(
    name: str, image_folder: Path, refusal: Callable
):
    (image_folder / "lines").rename(image_folder / name)
    assert f"class name {name!r}" in refusal(image_folder, fault=f"class name {name!r}")
    assert open_source(str(image_folder), ("circles", "squares")).num_images == 16


UNUSUAL_NAMES = (
    "with blanks .jpg",
    "line\nbreak.jpg",
    "back\\slash.jpg",
    "\u00e9.jpg",
    "e\u0301.jpg",  # the same to the eye, another file
    "\u200b\U0001f600.jpg",
    os.fsdecode(b"\xff\xe9.jpg"),
)


@pytest.fixture
def unusual_folder(image_folder: Path) -> Path:
    for number, name in enumerate(UNUSUAL_NAMES):
        (image_folder / "lines" / name).write_bytes(b"%d" % number)
    return image_folder


def _assert_unusual(read: Members, names: Sequence[str], note_fault: Callable) -> None:
    expected = {f"lines/{name}": b"%d" % UNUSUAL_NAMES.index(name) for name in names}
    whole = len(expected.items() & read.items())
    note_fault("bad input")(f"{whole} of {len(names)} names come back, with their files")
    assert whole == len(names)
    assert len(read) == 24 + len(names)


def test_unusual_names_in_a_folder(unusual_folder: Path, note_fault: Callable):
    _assert_unusual(_read(unusual_folder), UNUSUAL_NAMES, note_fault)


@pytest.mark.parametrize("tar_format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_unusual_names_in_a_tar(
    tar_format: int, unusual_folder: Path, tmp_path: Path, note_fault: Callable
):
    with tarfile.open(tmp_path / "set.tar", "w", format=tar_format) as archive:
        archive.add(unusual_folder, "shapes")
    _assert_unusual(_read(tmp_path / "set.tar"), UNUSUAL_NAMES, note_fault)


def test_unusual_names_in_a_zip(unusual_folder: Path, tmp_path: Path, note_fault: Callable):
    members = _members(unusual_folder)
    del members[f"lines/{UNUSUAL_NAMES[-1]}"]  # a zip names its members in characters
    path = _zip(tmp_path / "set.zip", members)
    _assert_unusual(_read(path), UNUSUAL_NAMES[:-1], note_fault)
    path.write_bytes(_without_utf8_flags(path.read_bytes()))  # as macOS writes them
    _assert_unusual(_read(path), UNUSUAL_NAMES[:-1], note_fault)


def test_names_of_a_zip_from_an_old_windows(image_folder: Path, tmp_path: Path):
    members = {**_members(image_folder), "lines/caf\u00e9.jpg": b""}
    path = _zip(tmp_path / "set.zip", members)
    data = path.read_bytes().replace("caf\u00e9.".encode(), b"caf\x82..")  # code page 437
    path.write_bytes(_without_utf8_flags(data))
    assert "lines/caf\u00e9..jpg" in _read(path)


def test_a_zip_whose_names_are_not_what_it_says(
    image_folder: Path, tmp_path: Path, refusal: Callable
):
    path = _zip(tmp_path / "set.zip", {**_members(image_folder), "lines/caf\u00e9.jpg": b""})
    path.write_bytes(path.read_bytes().replace("\u00e9".encode(), b"\xff\xff"))
    assert "cannot be read to its end" in refusal(path)


def _without_utf8_flags(data: bytes) -> bytes:
    changed = bytearray(data)
    for signature, flags_at in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
        start = 0
        while (start := changed.find(signature, start)) >= 0:
            changed[start + flags_at] &= ~0x08
            start += 4
    return bytes(changed)


@pytest.mark.parametrize("pack", [lambda path, members: path, *PACKERS.values()])
def test_images_can_be_read_in_another_process(
    pack: Callable[..., Path], image_folder: Path, tmp_path: Path
):
    path = pack(tmp_path / "packed", _members(image_folder))
    images = list(open_source(str(path if path.exists() else image_folder)).images())
    copies = pickle.loads(pickle.dumps(images))
    assert [copy.read() for copy in copies] == [image.read() for image in images]


@pytest.mark.parametrize("kind", ["sample", "folder", "archive", "list"])
def test_a_source_can_be_sent_to_another_process(kind: str, image_folder: Path, tmp_path: Path):
    names = {"sample": "sample", "folder": image_folder}
    names["archive"] = _zip(tmp_path / "packed.zip", _members(image_folder))
    names["list"] = tmp_path / "list.csv"
    lines = [f"shapes/{name},{name.split('/')[0]}" for name in _members(image_folder)]
    names["list"].write_text("\n".join(["path,label", *lines]) + "\n")
    source = open_source(str(names[kind]))
    copy = pickle.loads(pickle.dumps(source))
    assert copy.split_counts == source.split_counts
    first = (itertools.islice(s.images(), 9) for s in (source, copy))
    files, copied = ([(image.file_name, image.read()) for image in images] for images in first)
    assert copied == files and len(files) == 9


@pytest.mark.parametrize("name", ["/etc/x.jpg", "../x.jpg", "a/../../x.jpg", "C:/x.jpg"])
@pytest.mark.parametrize("pack", [_tar, _zip])
def test_members_outside_are_refused(
    name: str, pack: Callable[..., Path], tmp_path: Path, refusal: Callable
):
    message = refusal(
        pack(tmp_path / "archive", {"a/1.jpg": b"", name: b""}),
        fault=f"archive with the member {name}",
    )
    assert repr(name) in message and "inside the archive" in message


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["/etc/passwd", "../../x.jpg"])
def test_links_of_a_tar_outside_are_refused(
    kind: bytes, target: str, tmp_path: Path, refusal: Callable
):
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        info = tarfile.TarInfo("a/notes")
        info.type, info.linkname = kind, target
        archive.addfile(info)
    message = refusal(tmp_path / "set.tar", fault="a link out of a tar")
    assert "'a/notes'" in message and "outside the archive" in message


def test_a_link_of_a_zip_outside_is_refused(tmp_path: Path, refusal: Callable):
    info = zipfile.ZipInfo("a/1.jpg")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr(info, "../../etc/passwd")
    assert "outside the archive" in refusal(tmp_path / "set.zip", fault="a link out of a zip")


def test_an_image_that_is_a_link_is_not_dropped_silently(
    image_folder: Path, tmp_path: Path, refusal: Callable
):
    path = _tar(tmp_path / "set.tar", _members(image_folder), "w")
    with tarfile.open(path, "a") as archive:
        info = tarfile.TarInfo("lines/again.jpg")
        info.type, info.linkname = tarfile.SYMTYPE, "image_0001.jpg"
        archive.addfile(info)
    assert "--dereference" in refusal(path, fault="an image in a tar that is a link")


def test_an_encrypted_zip(image_folder: Path, tmp_path: Path, refusal: Callable):
    data = bytearray(_zip(tmp_path / "set.zip", _members(image_folder)).read_bytes())
    start = 0
    while (start := data.find(b"PK\x01\x02", start)) >= 0:
        data[start + 8] |= 1
        start += 4
    (tmp_path / "set.zip").write_bytes(data)
    message = refusal(tmp_path / "set.zip")
    assert "encrypted member 'circles/image_0000.jpg'" in message and "password" in message


@pytest.mark.parametrize("packed", PACKERS)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.97])
def test_a_truncated_archive(
    packed: str, share: float, image_folder: Path, tmp_path: Path, refusal: Callable
):
    path = PACKERS[packed](tmp_path / packed, _members(image_folder))
    if packed == "set.tar":  # which is padded with zeros at its end
        share = min(share, 0.8)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert "cannot be read to its end" in refusal(path)


def test_a_tar_cut_between_two_members(tmp_path: Path, refusal: Callable):
    path = _tar(tmp_path / "set.tar", {"a/1.jpg": b"x" * 512, "b/1.jpg": b"y" * 512}, "w")
    path.write_bytes(path.read_bytes()[:1024])
    assert "breaks off" in refusal(path)


@pytest.mark.parametrize("packed", ["set.tar.gz", "set.zip"])
def test_a_flipped_byte_in_an_archive(
    packed: str, image_folder: Path, tmp_path: Path, note_fault: Callable
):
    happened = note_fault("bad input")
    path = PACKERS[packed](tmp_path / packed, _members(image_folder))
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InputError, match="cannot be read to its end") as caught:
        _read(path)
    happened(caught.value)


def test_a_file_that_is_no_archive(tmp_path: Path, refusal: Callable):
    (tmp_path / "notes.txt").write_text("hello " * 1000)
    message = refusal(tmp_path / "notes.txt")
    assert "cannot be read to its end as an archive" in message and "pass a folder" in message


def test_the_sample_is_a_source_like_any_other(refusal: Callable):
    source = open_source("sample", ("airplanes", "Faces"))
    assert source.class_counts == {"Faces": 120, "airplanes": 120}
    assert source.dataset_name == "drawn4"
    first = next(iter(source.images()))
    assert first.file_name.startswith(f"{first.class_name}/") and first.read()[:2] == b"\xff\xd8"
    assert "cats" in refusal("sample", ("cats", "Faces"), fault="a class that is not there")


ARCHIVE = Path(__file__).parents[4] / "shared" / "data" / "101_ObjectCategories.tar.gz"


@pytest.mark.skipif(not ARCHIVE.exists(), reason="no ../shared beside this checkout")
def test_the_real_archive_lists_the_four():
    source = open_source(str(ARCHIVE))
    assert source.class_counts == {
        "Faces": 435, "Leopards": 200, "Motorbikes": 798, "airplanes": 800,
    }  # fmt: skip
