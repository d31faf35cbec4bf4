"""Where a run cannot be written: one line, the checkpoint before is whole, and it goes on later."""

import re
import signal

import pytest

from tests.interruptions.training.conftest import FLAGS

# Blocks that are free on a small disk, one try after the other.
ROOM = (0, 1, 5, 7, 9, 12, 15, 40, 200)
LEAVE_FREE = """
from pathlib import Path
from tests.interruptions.fork_server import leave_free

leave_free(Path(job["output_dir"]).parent, job["blocks"])
"""

# Before step 5 the directory becomes read-only, once.
READ_ONLY = """
import subprocess
from trainer.loop import Loop

train, run_dir, done = Loop.train, job["output_dir"], []

def train_until_it_is_read_only(loop, batch, count, progress, *rest):
    if int(progress.step) == 4 and not done:
        done.append(True)
        subprocess.run(["mount", "--bind", run_dir, run_dir], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", run_dir], check=True)
    return train(loop, batch, count, progress, *rest)

Loop.train = train_until_it_is_read_only
"""
WRITABLE = """
import subprocess

subprocess.run(["umount", job["output_dir"]], check=True)
"""
IN_THE_WAY = """
from pathlib import Path

Path(job["output_dir"], "checkpoints").write_text("in the way")
"""


def refuses(outcome, reason):
    return (
        outcome.status == 1
        and len(outcome.errors.splitlines()) == 1
        and f"cannot be written ({reason})" in outcome.errors
    )


@pytest.fixture(scope="module")
def outcomes(trainings, tmp_path_factory):
    """Series of runs, each of the same command in the same directory."""
    base = tmp_path_factory.mktemp("unwritable")
    series = {
        "limit": [{"signal": signal.SIGTERM, "at": "train 1"}, {"max_file_bytes": 6_000}, {}],
        "in the way": [
            {"signal": signal.SIGTERM, "at": "os.mkdir run/checkpoints"},
            {"code": IN_THE_WAY},
        ],
        "read-only": [{"code": READ_ONLY}, {}, {"code": WRITABLE}],
    }
    if trainings.why_no_disk:
        del series["read-only"]
    places = {name: base / name / "run" for name in series}
    if not trainings.why_no_disk:
        series["full disk"] = [{"code": LEAVE_FREE, "blocks": blocks} for blocks in ROOM]
        places["full disk"] = trainings.disk / "run"
    found = trainings.run_rows(
        *(
            [trainings.job(places[name], *FLAGS, **how) for how in of_one]
            for name, of_one in series.items()
        )
    )
    return base, dict(zip(series, found, strict=True))


def test_a_full_disk(outcomes, trainings, assert_same, note_fault):
    """TensorBoard's events, checkpoints, the model, the report: each finds it full once."""
    happened = note_fault("training interrupted", "a full disk, then more and more room")
    if trainings.why_no_disk:
        pytest.skip(f"no small disk can be mounted: {trainings.why_no_disk}")
    tries = outcomes[1]["full disk"]
    full = [outcome for outcome in tries if outcome.status]
    happened(f"{len(full)} x status 1, one line; then the same weights bit for bit")
    assert len(full) > 4 and all(refuses(one, "No space left on device") for one in full)
    assert [outcome.status for outcome in tries] == [1] * len(full) + [0] * (len(ROOM) - len(full))
    # It goes on from what it said to be saved, and what was left unfinished takes no room.
    saved = [
        re.search(r"(?:is \S*/step-0+(\d)\.npz|No checkpoint was written)\.$", one.errors)
        for one in full
    ]
    resumed = [
        re.search(r"resumed   after step (\d)", one.output) for one in tries[1 : len(full) + 1]
    ]
    assert all(saved)
    for said, found in zip(saved, resumed, strict=True):
        assert said[1] == (found[1] if found else None)
    assert {said[1] for said in saved} == {None, "3", "6"}
    assert_same(trainings.disk_from_here / "run", trainings.undisturbed())


def test_files_that_may_not_grow(outcomes, trainings, assert_same, note_fault):
    """As under a quota."""
    happened = note_fault("training interrupted", "no checkpoint may have so many bytes")
    base, found = outcomes
    _, limited, last = found["limit"]
    happened(f"status {limited.status}, one line, the last checkpoint whole; goes on with room")
    assert refuses(limited, "File too large")
    assert "The last checkpoint is" in limited.errors and "step-0000000001.npz" in limited.errors
    assert (last.status, last.errors) == (0, "") and "after step 1 of 6" in last.output
    assert_same(base / "limit" / "run", trainings.undisturbed())


def test_a_directory_that_becomes_read_only(outcomes, trainings, assert_same, note_fault):
    happened = note_fault("training interrupted", "the run directory becomes read-only")
    base, found = outcomes
    if trainings.why_no_disk:
        pytest.skip(f"nothing can be mounted: {trainings.why_no_disk}")
    first, second, last = found["read-only"]
    happened(f"status {first.status}, and again at the start; goes on when it is writable")
    assert refuses(first, "Read-only file system") and "step-0000000003.npz" in first.errors
    assert refuses(second, "Read-only file system")
    assert (last.status, last.errors) == (0, "") and "after step 3 of 6" in last.output
    assert_same(base / "read-only" / "run", trainings.undisturbed())


def test_a_file_in_the_way(outcomes, note_fault):
    happened = note_fault("training interrupted", "a file in the place of checkpoints/")
    outcome = outcomes[1]["in the way"][1]
    happened(f"status {outcome.status}, one line")
    assert refuses(outcome, "File exists")
