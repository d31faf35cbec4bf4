"""Ctrl-C and SIGTERM: the step is finished and saved, and one line says how to go on."""

import re
import shlex
import signal

import pytest

from tests.interruptions.training.conftest import FLAGS, examples

TERM, INT = signal.SIGTERM, signal.SIGINT
# What stops it, at which step of the command, the status, and the steps of training that are saved.
MOMENTS = [
    (TERM, "train 2", 143, 2),
    (INT, "evaluate", 130, 3),
    (TERM, "entry", 143, 6),  # while the last checkpoint is written
]


@pytest.fixture(scope="module")
def outcomes(trainings, tmp_path_factory):
    """Three series of runs, each of the same command in the same directory."""
    base = tmp_path_factory.mktemp("stopped")
    twice = {"signal": INT, "at": "train 2", "then": {"signal": INT, "at": "entry", "nth": 3}}
    set_up = "os.mkdir run/checkpoints"
    series = {
        "in one run": [*({"signal": by, "at": at} for by, at, *_ in MOMENTS), {}],
        "before": [{"signal": TERM, "at": set_up}, {"signal": INT, "at": set_up}],
        "twice": [twice, {}],
    }
    jobs = {
        name: [trainings.job(base / name / "run", *FLAGS, **how) for how in of_one]
        for name, of_one in series.items()
    }
    rows = trainings.run_rows(jobs["in one run"], jobs["twice"] + jobs["before"])
    return base, {"in one run": rows[0], "twice": rows[1][:2], "before": rows[1][2:]}


def test_in_one_run(outcomes, trainings, assert_same, note_fault):
    """In a step, in an evaluation, while a checkpoint is written."""
    happened = note_fault("training interrupted", "SIGTERM, Ctrl-C: step, evaluation, checkpoint")
    base, found = outcomes
    *stopped, last = found["in one run"]
    run_dir = base / "in one run" / "run"
    happened("status 143 or 130, one line; goes on, the same weights bit for bit")
    for outcome, (*_, status, step) in zip(stopped, MOMENTS, strict=True):
        line = (
            f"stopped after step {step} of 6, which is saved; to go on, use the same flags and "
            f"--run_dir={re.escape(shlex.quote(str(run_dir)))}"
        )
        assert outcome.status == status
        assert re.fullmatch(rf"python -m \S+: {line}\.\n", outcome.errors)
    assert (last.status, last.errors) == (0, "")
    assert_same(run_dir, trainings.undisturbed())
    assert examples(*stopped, last) == trainings.examples()


def test_before_the_first_step(outcomes, note_fault):
    happened = note_fault("training interrupted", "SIGTERM, Ctrl-C before the first step")
    terminated, interrupted = outcomes[1]["before"]
    happened("status 143 or 130, one line; nothing to save")
    assert (terminated.status, interrupted.status) == (143, 130)
    assert re.fullmatch(r"python -m \S+: terminated\.\n", terminated.errors)
    assert re.fullmatch(r"python -m \S+: interrupted\.\n", interrupted.errors)


def test_a_second_ctrl_c_ends_at_once(outcomes, trainings, assert_same, note_fault):
    happened = note_fault("training interrupted", "a second Ctrl-C during the first one's save")
    base, found = outcomes
    stopped, last = found["twice"]
    happened(f"status {stopped.status}, one line; goes on, the same weights bit for bit")
    assert stopped.status == 130
    assert re.fullmatch(r"python -m \S+: interrupted\.\n", stopped.errors)
    assert (last.status, last.errors) == (0, "")
    assert_same(base / "twice" / "run", trainings.undisturbed())
