"""A disk that is full, at any size: one line, the earlier set untouched, and nothing left."""

import itertools
import os
import shutil
from collections import Counter

import pytest

from tests.interruptions.fork_server import leave_free

REPLACE = ("--overwrite", "--seed=1")


@pytest.mark.parametrize("replacing", [False, True], ids=["new", "replacing"])
def test_at_every_size(replacing, forks, note_fault):
    happened = note_fault("interruption", f"full disk, at every size{', replacing' * replacing}")
    if forks.why_no_disk:
        pytest.skip(f"no small disk can be mounted: {forks.why_no_disk}")
    output_dir, seen = forks.disk / "set", forks.disk_from_here / "set"
    full_in: Counter[str] = Counter()
    for free_blocks in itertools.count():
        shutil.rmtree(seen, ignore_errors=True)
        if replacing:
            forks.put(0, seen)
        leave_free(forks.disk_from_here, free_blocks)
        run = forks.run(output_dir, *REPLACE if replacing else ("--seed=1",))
        if run.status == 0:
            break
        full_in[_last_written(run.steps)] += 1
        assert run.status == 1 and len(run.errors.splitlines()) == 1
        assert f"received the output directory {str(output_dir)!r}" in run.errors
        assert "cannot be written (No space left on device)" in run.errors
        assert forks.state(seen) == ("set 0" if replacing else "absent")
        assert set(os.listdir(seen.parent)) == {"ballast", *["set"] * replacing}
    told = ", ".join(f"{count} x in the {part}" for part, count in full_in.items())
    happened(f"status 1, nothing left: {told}")
    assert forks.state(seen) == "set 1"
    assert full_in.keys() == {"records on their way", "shards", "metadata"}


def _last_written(steps: list[str]) -> str:
    opened = [step for step in steps if step.startswith("open .set.tmp-")]
    if any(".json" in step for step in opened):
        return "metadata"
    return "shards" if any(".tfrecord-" in step for step in opened) else "records on their way"


@pytest.mark.parametrize("limit", [700, 2_000, 4_000])
def test_files_that_may_not_grow(limit, forks, tmp_path, note_fault):
    """As under a quota; and as on a full disk that holds the system's temporary files, too."""
    happened = note_fault("interruption", f"no file may have more than {limit:,} bytes")
    forks.put(0, tmp_path / "set")
    run = forks.run(tmp_path / "set", *REPLACE, max_file_bytes=limit)
    happened(f"status {run.status}, nothing left, the earlier set untouched")
    assert run.status == 1 and len(run.errors.splitlines()) == 1
    assert "cannot be written (File too large)" in run.errors
    assert forks.state(tmp_path / "set") == "set 0" and os.listdir(tmp_path) == ["set"]
