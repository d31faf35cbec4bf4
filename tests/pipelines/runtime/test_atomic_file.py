"""A file is whole or not there, and the one before it stays until then."""

import os
import sys
from pathlib import Path

import pytest

from pipelines.runtime.files import atomic_file, remove_unfinished
from pipelines.tfrecords.writer import write_shard


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


@pytest.fixture
def on_the_disk(monkeypatch):
    """What was done to files, in order: synchronized, by name, or renamed."""
    done = []
    fsync, replace = os.fsync, Path.replace

    def note_fsync(descriptor):
        done.append(f"sync {os.path.basename(os.readlink(f'/proc/self/fd/{descriptor}'))}")
        fsync(descriptor)

    def note_replace(path, target):
        done.append(f"rename to {target.name}")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    return done


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names descriptors by /proc")
def test_it_is_on_the_disk_before_it_has_its_name(tmp_path, on_the_disk):
    """Or else a power cut leaves an empty file under the name of the one before it."""
    with atomic_file(tmp_path / "a.json") as unfinished:
        unfinished.write_text("new")
    assert on_the_disk == [f"sync {unfinished.name}", "rename to a.json", f"sync {tmp_path.name}"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names descriptors by /proc")
def test_a_shard_is_on_the_disk_when_it_is_written(tmp_path, on_the_disk):
    write_shard(tmp_path / "a-train", [b"record"])
    assert on_the_disk == ["sync a-train"]
