import contextlib
import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from pipelines.runtime.errors import InputError
from pipelines.runtime.files import atomic_directory, remove_leftovers


def _dead_process() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_finished_directory_gets_its_name_at_the_end(tmp_path: Path):
    destination = tmp_path / "a" / "b" / "set"
    with atomic_directory(destination) as stage:
        (stage / "file").write_text("new")
        assert not destination.exists()
    assert os.listdir(destination) == ["file"]
    assert os.listdir(destination.parent) == ["set"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_unfinished_one_leaves_nothing(error: type[BaseException], tmp_path: Path):
    with pytest.raises(error):
        with atomic_directory(tmp_path / "a" / "set") as stage:
            (stage / "file").write_text("half")
            raise error
    assert os.listdir(tmp_path) == []


def test_an_empty_directory_is_filled(tmp_path: Path):
    (tmp_path / "set").mkdir()
    with atomic_directory(tmp_path / "set") as stage:
        (stage / "file").write_text("new")
    assert os.listdir(tmp_path / "set") == ["file"]


@pytest.mark.parametrize("replace", [False, True])
def test_only_replace_replaces(replace: bool, tmp_path: Path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "old").write_text("old")
    if replace:
        with atomic_directory(tmp_path / "set", replace=True) as stage:
            (stage / "new").write_text("new")
    else:
        with pytest.raises(InputError, match="is not empty"):
            with atomic_directory(tmp_path / "set") as stage:
                (stage / "new").write_text("new")
    assert os.listdir(tmp_path / "set") == (["new"] if replace else ["old"])
    assert os.listdir(tmp_path) == ["set"]


def test_a_failed_replacement_keeps_the_old(tmp_path: Path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "old").write_text("old")
    with pytest.raises(ValueError):
        with atomic_directory(tmp_path / "set", replace=True) as stage:
            (stage / "new").write_text("new")
            raise ValueError
    assert os.listdir(tmp_path / "set") == ["old"]
    assert os.listdir(tmp_path) == ["set"]


def test_what_a_killed_run_left_is_cleared(tmp_path: Path):
    left = tmp_path / f".set.tmp-{_dead_process()}"
    left.mkdir()
    (left / "half").write_text("half")
    (tmp_path / ".settee.tmp-1").mkdir()
    with atomic_directory(tmp_path / "set"):
        assert not left.exists()
    assert sorted(os.listdir(tmp_path)) == [".settee.tmp-1", "set"]


def test_what_a_living_run_works_in_is_left_alone(tmp_path: Path):
    with atomic_directory(tmp_path / "set") as stage:
        # Under another process's number, as if the lock's holder were that process.
        other = tmp_path / ".set.tmp-1"
        os.rename(stage, other)
        with atomic_directory(tmp_path / "set") as second:
            assert other.exists() and second != other
        os.rename(other, stage)
        os.rmdir(tmp_path / "set")
    assert os.listdir(tmp_path) == ["set"]


@pytest.mark.parametrize("empty", [False, True], ids=["missing", "empty"])
def test_a_set_that_was_moved_aside_by_a_killed_run_comes_back(empty: bool, tmp_path: Path):
    aside = tmp_path / f".set.old-{_dead_process()}"
    aside.mkdir()
    (aside / "old").write_text("old")
    if empty:
        (tmp_path / "set").mkdir()
    with pytest.raises(InputError):
        with atomic_directory(tmp_path / "set"):
            pass
    assert os.listdir(tmp_path) == ["set"]
    assert os.listdir(tmp_path / "set") == ["old"]


@pytest.mark.parametrize("replace", [False, True])
def test_a_set_that_was_moved_aside_meanwhile_comes_back(replace: bool, tmp_path: Path):
    refused = pytest.raises(InputError, match=r"is not empty \(any more\)")
    with contextlib.nullcontext() if replace else refused:
        with atomic_directory(tmp_path / "set", replace) as stage:
            (stage / "new").write_text("new")
            aside = tmp_path / f".set.old-{_dead_process()}"
            aside.mkdir()
            (aside / "old").write_text("old")
    assert os.listdir(tmp_path) == ["set"]
    assert os.listdir(tmp_path / "set") == (["new"] if replace else ["old"])


def test_a_set_is_replaced_though_its_writer_has_not_let_go_of_it_yet(tmp_path: Path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "old").write_text("old")
    descriptor = os.open(tmp_path / "set", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with atomic_directory(tmp_path / "set", replace=True) as stage:
        (stage / "new").write_text("new")
    os.close(descriptor)
    assert os.listdir(tmp_path) == ["set"]
    assert os.listdir(tmp_path / "set") == ["new"]


def test_a_set_that_came_to_be_meanwhile_stays(tmp_path: Path):
    with pytest.raises(InputError, match=r"is not empty \(any more\)"):
        with atomic_directory(tmp_path / "set") as stage:
            (stage / "new").write_text("new")
            (tmp_path / "set").mkdir()
            (tmp_path / "set" / "other").write_text("other")
    assert os.listdir(tmp_path) == ["set"]
    assert os.listdir(tmp_path / "set") == ["other"]


def test_leftovers_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(path: Path) -> list[str]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(InputError, match=r"cannot be written \(Permission denied\)"):
        remove_leftovers(tmp_path / "set")


def test_a_place_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as caught:
        with atomic_directory(tmp_path / "file" / "set"):
            pass
    assert "cannot be written (File exists)" in str(caught.value) and "--output_dir" in str(
        caught.value
    )
