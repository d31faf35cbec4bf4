"""A run directory is one run's, and one process writes it."""

import contextlib
import errno
import re

import pytest

from pipelines.runtime.errors import InputError
from pipelines.runtime.files import atomic_file
from trainer import run_directory as module
from trainer.config import CONFIG_NAME, TrainConfig
from trainer.run_directory import begin_again, config_in, is_finished, run_directory


def one_line(caught):
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_two_trainers_at_the_same_time(tmp_path, note_fault):
    happened = note_fault("checkpoints", "two trainers in one run directory")
    wanted = str(tmp_path / "run")
    with run_directory(wanted, "data") as run_dir:
        assert run_dir.is_dir()
        with pytest.raises(InputError) as caught, run_directory(wanted, "data"):
            pass
        happened(caught.value)
        assert run_dir.is_dir()
    assert "in which another trainer is at work" in one_line(caught)
    with run_directory(wanted, "data"):
        pass  # the lock is free again


def test_unnamed_runs_of_the_same_second_have_directories_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    class Frozen(module.datetime.datetime):
        @classmethod
        def now(cls):
            return cls(2026, 1, 2, 3, 4, 5)

    monkeypatch.setattr(module.datetime, "datetime", Frozen)
    # As if another process made its directory between our look and our making one.
    monkeypatch.setattr("pathlib.Path.exists", lambda self: False)
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(run_directory(None, "tiny")) for _ in range(3)]
    assert [str(path) for path in made] == [
        "runs/tiny-20260102-030405", "runs/tiny-20260102-030405-2", "runs/tiny-20260102-030405-3",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["run", None])
def test_bad_input_leaves_no_new_directory(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="bad"), run_directory(name, "tiny") as run_dir:
        assert run_dir.is_dir()
        raise InputError("bad")
    assert not run_dir.exists()


def test_a_directory_of_the_users_stays(tmp_path):
    with pytest.raises(InputError, match="bad"), run_directory(str(tmp_path), "tiny"):
        raise InputError("bad")
    assert tmp_path.is_dir()


def test_what_is_in_a_new_directory_stays(tmp_path):
    with pytest.raises(InputError, match="bad"), run_directory(str(tmp_path / "a"), "t") as run_dir:
        (run_dir / "file").touch()
        raise InputError("bad")
    assert (run_dir / "file").exists()


@pytest.mark.parametrize("wanted", ["file", "file/run"])
def test_a_directory_that_cannot_be_made(tmp_path, wanted):
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as caught, run_directory(str(tmp_path / wanted), "data"):
        pass
    assert re.search(r"--run_dir=.*expected a directory that can be made \(", one_line(caught))


def test_unnamed_where_runs_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").touch()
    with pytest.raises(InputError) as caught, run_directory(None, "data"):
        pass
    assert "received --run_dir=runs, expected a directory that can be made" in one_line(caught)


def test_a_file_system_without_locks_is_used_all_the_same(tmp_path, monkeypatch):
    @contextlib.contextmanager
    def no_locks(directory):
        raise OSError(errno.ENOLCK, "No locks available")
        yield

    monkeypatch.setattr(module, "locked", no_locks)
    with run_directory(str(tmp_path / "run"), "data") as run_dir:
        assert run_dir.is_dir()


def test_the_config_of_a_run(tmp_path):
    assert config_in(tmp_path) is None
    TrainConfig(epochs=3).write(tmp_path)
    assert config_in(tmp_path) == TrainConfig(epochs=3).as_json()
    assert [path.name for path in tmp_path.iterdir()] == [CONFIG_NAME]


def test_a_config_that_was_not_finished_is_as_none(tmp_path):
    with atomic_file(tmp_path / CONFIG_NAME) as unfinished:
        unfinished.write_text("{}")
    (tmp_path / CONFIG_NAME).rename(unfinished)
    assert config_in(tmp_path) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '"epochs"', '{"epochs": 3', "\udcff"]
)
def test_a_config_that_cannot_be_read(tmp_path, text, note_fault):
    happened = note_fault("checkpoints", "a damaged config.json")
    (tmp_path / CONFIG_NAME).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError) as caught:
        config_in(tmp_path)
    happened(caught.value)
    assert f"whose {CONFIG_NAME} cannot be read (" in one_line(caught)


def test_a_directory_that_holds_something_else(tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(InputError) as caught:
        config_in(tmp_path)
    assert "which holds something that is no run" in one_line(caught)


def test_the_mark_of_a_finished_run(tmp_path):
    assert not is_finished(tmp_path)
    begin_again(tmp_path)
    (tmp_path / "report.json").touch()
    assert is_finished(tmp_path)
    begin_again(tmp_path)
    assert not is_finished(tmp_path)
