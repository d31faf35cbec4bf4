"""A file is whole or not there, and the one before it stays until then."""

import os

import pytest

from pipelines.runtime.files import atomic_file, remove_unfinished


def test_takes_the_place_of_what_was_there(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with atomic_file(path) as unfinished:
        unfinished.write_text("new")
        assert path.read_text() == "old"
        assert unfinished.suffix == path.suffix  # Keras goes by it
    assert path.read_text() == "new" and os.listdir(tmp_path) == ["a.json"]


@pytest.mark.parametrize("error", [OSError("no room"), KeyboardInterrupt()])
def test_what_fails_leaves_the_old_one(tmp_path, error):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(type(error)), atomic_file(path) as unfinished:
        unfinished.write_text("half of the")
        raise error
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.json"]


def test_what_a_killed_process_left_is_cleared(tmp_path):
    with atomic_file(tmp_path / "a.json") as unfinished:
        unfinished.write_text("whole")
    unfinished.write_text("half")
    (tmp_path / "notes").write_text("of the user")
    remove_unfinished(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["a.json", "notes"]
