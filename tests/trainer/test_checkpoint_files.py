"""The directory of checkpoints: what is kept, what is found, and what a full disk leaves."""

import errno
import os

import pytest

from tests.trainer.checkpoint_samples import content, sample
from trainer.checkpoint import checkpoint_name, read_checkpoint
from trainer.checkpoint_files import DIRECTORY, CheckpointFiles, checkpoints_in, newest_whole


def names(run_dir):
    return sorted(path.name for path in (run_dir / DIRECTORY).iterdir())


def save(files, *steps):
    for step in steps:
        files.save(sample(step))
    files.wait()


def never(text):
    raise AssertionError(text)


def test_the_newest_are_kept(tmp_path):
    save(CheckpointFiles(tmp_path, keep=2), 4, 8, 10)
    assert names(tmp_path) == [checkpoint_name(8), checkpoint_name(10)]
    found = newest_whole(tmp_path / DIRECTORY, never)
    assert content(found) == content(sample(10))


def test_one_step_has_one_file(tmp_path):
    save(CheckpointFiles(tmp_path, keep=3), 4, 4)
    assert names(tmp_path) == [checkpoint_name(4)]


def test_nothing_is_found_where_nothing_is(tmp_path):
    assert newest_whole(tmp_path / "missing", never) is None
    assert newest_whole(tmp_path, never) is None


def test_leftovers_are_cleared_and_other_files_stay(tmp_path):
    directory = tmp_path / DIRECTORY
    directory.mkdir()
    (directory / f".unfinished-{checkpoint_name(3)}").write_bytes(b"half")
    (directory / "notes.txt").write_text("mine")
    (directory / "step-3 (copy).npz").write_bytes(b"not ours")
    save(CheckpointFiles(tmp_path, keep=1), 4)
    assert names(tmp_path) == ["notes.txt", "step-0000000004.npz", "step-3 (copy).npz"]
    assert [path.name for path in checkpoints_in(directory)] == [checkpoint_name(4)]


DAMAGE = {
    "the newest one cut": lambda path: os.truncate(path, 700),
    "the newest one empty": lambda path: os.truncate(path, 0),
    "the newest one full of zeros": lambda path: path.write_bytes(bytes(2000)),
}


@pytest.mark.parametrize("fault", DAMAGE)
def test_the_newest_whole_one_is_found(tmp_path, fault, note_fault):
    happened = note_fault("checkpoints", fault)
    save(CheckpointFiles(tmp_path, keep=3), 4, 8)
    newest = tmp_path / DIRECTORY / checkpoint_name(8)
    DAMAGE[fault](newest)
    warnings = []
    found = newest_whole(tmp_path / DIRECTORY, warnings.append)
    happened(f"warned, and gone on from step {found.state.step}")
    assert content(found) == content(sample(4))
    (warning,) = warnings
    assert f"skipped the checkpoint {newest}, which cannot be read (" in warning


def test_a_damaged_one_of_a_later_step_does_not_push_out_a_whole_one(tmp_path):
    save(CheckpointFiles(tmp_path, keep=1), 8)
    newest = tmp_path / DIRECTORY / checkpoint_name(8)
    newest.write_bytes(b"damaged")
    save(CheckpointFiles(tmp_path, keep=1), 5, 6)
    assert names(tmp_path) == [checkpoint_name(6), checkpoint_name(8)]
    assert newest_whole(tmp_path / DIRECTORY, [].append).state.step == 6
    save(CheckpointFiles(tmp_path, keep=1), 8)
    assert names(tmp_path) == [checkpoint_name(8)]


def full_disk(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def half_written(checkpoint, stream):
    stream.write(b"half of it")
    full_disk()


FAILURES = {
    "a disk that is full within one": ("trainer.checkpoint.Checkpoint.write", half_written),
    "a disk that fails at fsync": ("os.fsync", full_disk),
    "a disk that cannot rename one": ("pathlib.Path.replace", full_disk),
}  # fmt: skip


def check_until_it_fails(files):
    while True:
        files.check()  # does not wait


FAILING_CALLS = {
    "save": lambda files: files.save(sample(12)),
    "wait": CheckpointFiles.wait,
    "check": check_until_it_fails,
}


@pytest.mark.parametrize("call", ["save", "wait", "check"])
@pytest.mark.parametrize("fault", FAILURES)
def test_a_failing_disk_is_told_and_leaves_the_one_before(
    tmp_path, monkeypatch, fault, call, note_fault
):
    happened = note_fault("checkpoints", fault)
    files = CheckpointFiles(tmp_path, keep=1)
    save(files, 4)
    with monkeypatch.context() as patch:
        patch.setattr(*FAILURES[fault])
        files.save(sample(8))
        with pytest.raises(OSError, match="No space left on device") as caught:
            FAILING_CALLS[call](files)
    happened(f"{caught.value.strerror}; the one before it is whole")
    assert names(tmp_path) == [checkpoint_name(4)]
    before = read_checkpoint(tmp_path / DIRECTORY / checkpoint_name(4))
    assert content(before) == content(sample(4))
    save(files, 12)  # there is room again
    assert names(tmp_path) == [checkpoint_name(12)]


def test_a_file_has_its_name_when_it_is_on_the_disk(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("os.fsync", lambda descriptor: seen.append(names(tmp_path)))
    save(CheckpointFiles(tmp_path, keep=1), 4)
    # The file, and then the directory that has its name.
    assert seen == [[f".unfinished-{checkpoint_name(4)}"], [checkpoint_name(4)]]
