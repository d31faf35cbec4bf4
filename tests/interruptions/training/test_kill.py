"""kill -9 at any moment of a run: the same command goes on, and ends as if nothing had been."""

import random
import signal

import pytest

from tests.interruptions.training.conftest import FLAGS, examples

KILL = signal.SIGKILL
PICTURES = {
    "confusion_matrix.png", "filters.png", "grad_cam.png", "misclassified.png", "plot.png",
    "reliability.png",
}  # fmt: skip
EVERY = pytest.mark.parametrize(
    "every", [pytest.param(1, marks=pytest.mark.slow, id="all"), pytest.param(5, id="some")]
)


def go_on(trainings, run_dirs):
    """The same command in each directory, in two processes."""
    jobs = [trainings.job(run_dir, *FLAGS) for run_dir in run_dirs]
    for outcome in sum(trainings.run_rows(jobs[::2], jobs[1::2]), []):
        assert (outcome.status, outcome.errors) == (0, "")


def snapshots(tmp_path):
    return {"directory": str(tmp_path / "run"), "into": str(tmp_path / "left")}


@EVERY
def test_at_every_moment(every, trainings, tmp_path, assert_same, note_fault):
    happened = note_fault("training interrupted", "kill -9 at every moment")
    run = trainings.run(tmp_path / "run", *FLAGS, snapshots=snapshots(tmp_path))
    assert run.status == 0
    states = sorted((tmp_path / "left").glob("*/run"))
    left = states[1::every]
    go_on(trainings, left)
    happened(f"{len(left)} of {len(states)} states: goes on, the same weights bit for bit")
    assert len(states) > 20
    for run_dir in left:
        assert_same(run_dir, trainings.undisturbed())


@pytest.mark.slow
def test_at_every_moment_of_going_on(trainings, tmp_path, assert_same, note_fault):
    """Killed after events that no checkpoint covers, which are cut off when it goes on."""
    happened = note_fault("training interrupted", "kill -9 at every moment of going on")
    killed = trainings.run(tmp_path / "run", *FLAGS, signal=KILL, at="train 6")
    again = trainings.run(tmp_path / "run", *FLAGS, snapshots=snapshots(tmp_path))
    assert killed.status == -KILL and "after step 3 of 6" in again.output
    states = sorted((tmp_path / "left").glob("*/run"))
    left = states[1:]
    go_on(trainings, left)
    happened(f"{len(left)} of {len(states)} states: goes on, the same weights bit for bit")
    for run_dir in left:
        assert_same(run_dir, trainings.undisturbed())


def test_one_after_the_other(trainings, tmp_path, assert_same, note_fault):
    """With decoded images in memory, which each kill takes away, and all that an end writes."""
    happened = note_fault("training interrupted", "kill -9, five times in one run")
    run_dir, flags = tmp_path / "run", (*FLAGS, "--cache=memory", "--pictures", "--audit")
    written = ("model", "reliability", "README")
    moments = [("train 2", 1), ("entry", 20)]
    moments += [(f"opened run/.unfinished-{name}", 1) for name in written]
    runs = [trainings.run(run_dir, *flags, signal=KILL, at=at, nth=n) for at, n in moments]
    last = trainings.run(run_dir, *flags)
    happened("then the same weights bit for bit, each example once")
    assert [(run.status, run.errors) for run in runs] == [(-KILL, "")] * len(moments)
    assert (last.status, last.errors) == (0, "")
    assert_same(run_dir, trainings.undisturbed("with pictures"))
    assert examples(*runs, last) == trainings.examples()
    assert {path.name for path in run_dir.glob("*.png")} == PICTURES


@pytest.mark.slow
def test_at_random_moments(trainings, tmp_path, assert_same, note_fault):
    """The whole of StridedNet; two runs side by side, each killed twelve times."""
    happened = note_fault("training interrupted", "kill -9 at 24 random moments of 2 runs")
    flags = ("--epochs=40", "--checkpoint_every=5", "--average_decay=0.9")
    choose = random.Random(0)
    places = [tmp_path / name / "run" for name in ("a", "b", "undisturbed")]
    *killed, undisturbed = (trainings.job(p, *flags, network="whole") for p in places)
    statuses = []
    for _ in range(12):
        moments = [{"signal": KILL, "nth": choose.randrange(20, 400)} for _ in killed]
        jobs = [job | moment for job, moment in zip(killed, moments, strict=True)]
        statuses += [outcome.status for outcome in trainings.run_together(*jobs)]
    for outcome in trainings.run_together(*killed, undisturbed):
        assert (outcome.status, outcome.errors) == (0, "")
    happened("then the same weights, bit for bit")
    assert statuses == [-KILL] * 24
    for run_dir in places[:2]:
        assert_same(run_dir, places[2])
