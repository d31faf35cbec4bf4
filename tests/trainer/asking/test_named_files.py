"""What is tried of what a user names."""

import os

import pytest

from trainer.asking.named_files import UnreadableError, find_files, read_named


def names(*arguments):
    return [file.name for file in find_files(arguments)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.jpg", "a.PNG", "notes.txt", ".hidden.jpg", "z/2.gif", "m/1.webp", ".git/x.jpg"):
        path = tmp_path / "album" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "album"


def test_a_folder_gives_its_images_sorted_and_named_as_it_was_typed(folder):
    found = ["a.PNG", "b.jpg", "m/1.webp", "z/2.gif"]
    assert names("album") == [f"album/{name}" for name in found]
    assert names("album/") == [f"album/{name}" for name in found]
    assert names(str(folder / "m")) == [str(folder / "m" / "1.webp")]


def test_what_is_named_itself_is_always_tried(folder):
    assert names("album/notes.txt", "album/.hidden.jpg") == [
        "album/notes.txt",
        "album/.hidden.jpg",
    ]
    assert not any(file.problem for file in find_files(["album/notes.txt"]))


def test_names_from_the_standard_input_stand_in_their_place(folder):
    found = find_files(["album/b.jpg", "-", "album/z"], ["album/a.PNG", "album/m"])
    assert [file.name for file in found] == [
        f"album/{name}" for name in ("b.jpg", "a.PNG", "m/1.webp", "z/2.gif")
    ]


def test_links_to_folders_are_not_followed_in_a_folder(folder):
    (folder / "m" / "up").symlink_to(folder)
    assert names("album/m") == ["album/m/1.webp"]
    assert names("album/m/up")[0] == "album/m/up/a.PNG"


def problem_of(name):
    (file,) = find_files([name])
    assert file.name == name
    return file.problem


def test_what_holds_no_image_is_a_problem(folder, note_fault):
    happened = note_fault("picture asked about", "an empty folder, or one of other files")
    (folder / "empty").mkdir()
    (folder / "texts").mkdir()
    (folder / "texts" / "a.txt").write_bytes(b"")
    empty, texts = problem_of("album/empty"), problem_of("album/texts")
    happened(texts)
    assert empty == "a folder without a file that is named as images are (empty)"
    assert texts == "a folder without a file that is named as images are (1 other file)"
    assert problem_of("album/missing.jpg") == "it does not exist"


def test_a_folder_without_permission_is_a_problem_and_the_others_are_tried(
    folder, monkeypatch, note_fault
):
    happened = note_fault("picture asked about", "a folder without permission")
    scandir = os.scandir  # not by its mode, which root does not mind

    def refusing(path):
        if path.endswith("/m"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    found = {file.name: file.problem for file in find_files(["album"])}
    happened(found["album/m"])
    assert found["album/m"] == "a folder that cannot be listed: Permission denied"
    assert found["album/z/2.gif"] == ""


def test_what_cannot_be_read_says_why(folder, note_fault):
    happened = note_fault("picture asked about", "a pipe")
    os.mkfifo(folder / "pipe.jpg")
    with pytest.raises(UnreadableError) as refused:
        read_named("album/pipe.jpg")  # and does not wait for somebody who writes
    happened(f"status: {refused.value}")
    assert str(refused.value) == "no regular file"
    (folder / "to_nothing.jpg").symlink_to("nothing")
    with pytest.raises(UnreadableError, match="No such file"):
        read_named("album/to_nothing.jpg")
