"""What a run directory holds decides what the same command does there."""

import shutil
import signal

import pytest

from tests.interruptions.training.conftest import BEST, FLAGS, LONGER, REPLICAS
from trainer.checkpoint_files import checkpoints_in


@pytest.fixture(scope="module")
def base(trainings, tmp_path_factory):
    """Of run directories: `begun` was stopped after step 5, `best` killed near its end."""
    base = tmp_path_factory.mktemp("directories")
    begun = trainings.job(base / "begun", *FLAGS, signal=signal.SIGTERM, at="train 5")
    near_the_end = f"train {3 * epochs_of_best(trainings) - 1}"
    best = trainings.job(base / "best", *BEST, signal=signal.SIGKILL, at=near_the_end)
    outcomes = trainings.run_together(begun, best)
    assert [outcome.status for outcome in outcomes] == [143, -signal.SIGKILL]
    return base


@pytest.fixture(scope="module")
def outcomes(trainings, base):
    """How the runs end that go on in these directories, or from them."""
    for name in ("damaged", "other replicas"):
        shutil.copytree(base / "begun", base / name)
    newest = checkpoints_in(base / "damaged" / "checkpoints")[-1]
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    shutil.copytree(trainings.undisturbed("1 epoch"), base / "longer")
    shutil.copytree(trainings.undisturbed(), base / "finished")
    before = {name: contents(base / name) for name in ("begun", "finished")}
    flags = {
        "damaged": FLAGS,
        "new": (*FLAGS, f"--resume={base / 'begun'}"),
        "finished": FLAGS,
        "best": BEST,
        "longer": ("--epochs=3", *LONGER),
        "other replicas": (*FLAGS, *REPLICAS),
    }
    names = list(flags)
    jobs = [trainings.job(base / name, *of_one) for name, of_one in flags.items()]
    rows = trainings.run_rows(jobs[::2], jobs[1::2])
    found = dict(zip(names[::2], rows[0], strict=True)) | dict(
        zip(names[1::2], rows[1], strict=True)
    )
    assert {name: contents(base / name) for name in before} == before
    return found


def contents(run_dir):
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes())
        for path in run_dir.rglob("*")
        if path.is_file()
    }


def epochs_of_best(trainings):
    history = trainings.undisturbed("best") / "history.csv"
    return len(history.read_text().splitlines()) - 1


def test_two_trainers(trainings, tmp_path, assert_same, note_fault):
    happened = note_fault("training interrupted", "a second trainer in the same --run_dir")
    first = trainings.job(tmp_path / "run", *FLAGS, signal=signal.SIGSTOP, at="train 4")
    first, second = trainings.run_together(first, trainings.job(tmp_path / "run", *FLAGS))
    happened(f"status {second.status}, one line; the first is not disturbed")
    assert second.status == 1 and len(second.errors.splitlines()) == 1
    assert "in which another trainer is at work" in second.errors
    assert (first.status, first.errors) == (0, "")
    assert_same(tmp_path / "run", trainings.undisturbed())


def test_a_damaged_checkpoint(outcomes, base, trainings, assert_same, note_fault):
    happened = note_fault("checkpoints", "a flipped byte in the newest")
    outcome = outcomes["damaged"]
    happened("a warning; the one before it, the same weights bit for bit")
    assert outcome.status == 0 and len(outcome.errors.splitlines()) == 1
    newest = base / "damaged" / "checkpoints" / "step-0000000005.npz"
    assert outcome.errors.startswith(
        f"warning: skipped the checkpoint {newest}, which cannot be read"
    )
    assert "resumed   after step 3 of 6" in outcome.output
    assert_same(base / "damaged", trainings.undisturbed())


def test_in_a_new_directory(outcomes, base, trainings, assert_same, note_fault):
    happened = note_fault("training interrupted", "--resume=OTHER_RUN in a new --run_dir")
    outcome = outcomes["new"]
    happened("goes on there, the same weights bit for bit; the old one is not touched")
    assert (outcome.status, outcome.errors) == (0, "")
    assert "resumed   after step 5 of 6" in outcome.output
    # Figures of parts of epochs are in no checkpoint: those before step 5 stay where they were.
    assert_same(base / "new", trainings.undisturbed(), without=["steps"])


def test_a_finished_run(outcomes, base, note_fault):
    happened = note_fault("training interrupted", "the command of a finished run again")
    outcome = outcomes["finished"]
    happened(f"status {outcome.status}, says so, touches nothing")
    assert (outcome.status, outcome.errors) == (0, "")
    told = f"{base / 'finished'} holds a finished run of these flags; nothing is left to do.\n"
    assert outcome.output == told


def test_more_epochs(outcomes, base, trainings, assert_same, note_fault):
    happened = note_fault("training interrupted", "a finished run with more --epochs")
    happened("the same weights as of so many epochs at once, bit for bit")
    assert (outcomes["longer"].status, outcomes["longer"].errors) == (0, "")
    assert_same(base / "longer", trainings.undisturbed("3 epochs"))


def test_another_number_of_replicas(outcomes, note_fault):
    happened = note_fault("training interrupted", "goes on with 2 replicas instead of 1")
    outcome = outcomes["other replicas"]
    happened(f"status {outcome.status}")
    assert (outcome.status, outcome.errors) == (0, "")
    assert "2 replicas" in outcome.output and "resumed   after step 5 of 6" in outcome.output


def test_the_best_epoch(outcomes, base, trainings, assert_same, note_fault):
    """Weights that were kept before the kill count after it, and so do the epochs without gain."""
    happened = note_fault("training interrupted", "kill -9 with --keep_best, --early_stopping")
    epochs = epochs_of_best(trainings)
    happened(f"ends after epoch {epochs} of 8 as if undisturbed, with the weights of the best")
    assert (outcomes["best"].status, outcomes["best"].errors) == (0, "")
    assert "resumed   after step" in outcomes["best"].output and 2 < epochs < 8
    assert_same(base / "best", trainings.undisturbed("best"))
