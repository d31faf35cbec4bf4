"""Who may hold a lock on a directory together with whom, and what happens without locks."""

import errno
import fcntl
import os

import pytest

from pipelines.runtime.files import is_locked, locked, share_lock


def test_one_at_a_time(tmp_path):
    assert not is_locked(tmp_path)
    with locked(tmp_path):
        assert is_locked(tmp_path)
        with pytest.raises(BlockingIOError), locked(tmp_path):
            pass
    assert not is_locked(tmp_path)


def test_any_number_may_share_it(tmp_path):
    first, second = share_lock(tmp_path), share_lock(tmp_path)
    os.close(first)
    assert is_locked(tmp_path)
    os.close(second)
    assert not is_locked(tmp_path)


def test_where_there_are_no_locks_it_goes_on_without(tmp_path, monkeypatch):
    def refuse(descriptor, operation):
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", refuse)
    passed = []
    with locked(tmp_path, wait=True):
        passed.append("waited")
    with pytest.raises(OSError, match="Bad file descriptor"), locked(tmp_path):
        passed.append("did not wait")
    assert passed == ["waited"]
    assert not is_locked(tmp_path)
    os.close(share_lock(tmp_path))
