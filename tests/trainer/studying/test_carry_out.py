"""The runs of a study, one after the other; a script that copies a finished run stands in."""

import dataclasses
import sys

import pytest

from pipelines.runtime.errors import InputError
from tests.trainer.made_runs import make_run
from trainer.config import TrainConfig
from trainer.studying.carry_out import carry_out
from trainer.studying.factors import Factor
from trainer.studying.plan import make_plan
from trainer.studying.progress import StudyProgress, duration
from trainer.studying.states import find_states

BASE = {field.name: field.default for field in dataclasses.fields(TrainConfig)}
SCRIPT = """
import shutil, sys

run_dir = next(flag.partition("=")[2] for flag in sys.argv if flag.startswith("--run_dir="))
if "--l2=1.0" in sys.argv:
    sys.exit("python -m trainer.main: received a loss that is not finite.")
shutil.copytree({finished!r}, run_dir, dirs_exist_ok=True)
"""

EPOCHS = TrainConfig().epochs


@pytest.fixture
def study(tmp_path):
    """Carries out a study of l2=0, l2=1 (which fails) and l2=2; one run is there already."""
    finished = make_run(tmp_path / "finished", (0.5, 0.75))
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(finished=str(finished)))
    plan = make_plan(BASE, [Factor("l2", (0.0, 1.0, 2.0))], 2, False, str(tmp_path / "study"))
    make_run(tmp_path / "study" / "default,seed=1", epochs=EPOCHS, seed=1)
    make_run(tmp_path / "study" / "l2=2,seed=0", finished=False, epochs=EPOCHS, l2=2.0)
    states = find_states(plan, "a" * 64)

    def study(keep_going):
        return carry_out(plan, states, keep_going, [sys.executable, "-S", str(script)])

    return study


def lines(capsys):
    """What is printed, without how long it takes."""
    return [
        line.rpartition(" in ")[0] if " accuracy " in line else line.partition(";")[0]
        for line in capsys.readouterr().out.splitlines()
    ]


def test_a_run_that_fails_ends_the_study(study, tmp_path, capsys, note_fault):
    happened = note_fault("studies", "a run of a study fails")
    with pytest.raises(InputError) as caught:
        study(keep_going=False)
    happened(str(caught.value).replace(str(tmp_path), "."))
    assert str(caught.value) == (
        f"the run l2=1,seed=0 failed ({tmp_path}/study/logs/l2=1,seed=0.txt has all that it "
        "printed): received a loss that is not finite."
    )
    assert lines(capsys) == [
        "run 1 of 5  default,seed=0",
        "            validation accuracy 75.00%",
        "run 2 of 5  l2=1,seed=0",
    ]


def test_with_keep_going_the_others_are_run(study, capsys, note_fault):
    happened = note_fault("studies", "a run of a study fails, --keep_going")
    failures = study(keep_going=True)
    happened(f"{len(failures)} of 6 marked as failed, the others run")
    assert failures == {
        "l2=1,seed=0": "received a loss that is not finite.",
        "l2=1,seed=1": "received a loss that is not finite.",
    }
    assert lines(capsys)[2:] == [
        "run 2 of 5  l2=1,seed=0",
        "            failed: received a loss that is not finite.",
        "run 3 of 5  l2=1,seed=1",
        "            failed: received a loss that is not finite.",
        "run 4 of 5  l2=2,seed=0, which goes on",
        "            validation accuracy 75.00%",
        "run 5 of 5  l2=2,seed=1",
        "            validation accuracy 75.00%",
    ]


def test_the_time_left_is_that_of_the_runs_left(monkeypatch, capsys):
    times = iter([0, 30, 100, 120])
    monkeypatch.setattr("trainer.studying.progress.time.monotonic", lambda: next(times))
    progress = StudyProgress(12)
    run = type("Run", (), {"result": None, "evaluated_split": "test"})
    for _ in range(2):
        progress.begins("name", goes_on=False)
        progress.ended(run)
    times = iter([0])
    progress.begins("name", goes_on=False)
    assert capsys.readouterr().out.splitlines()[2::2] == [
        "run 2 of 12  name; about 6 min left",  # 11 of 30 s
        "run 3 of 12  name; about 4 min left",  # 10 of 25 s
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(31.4, "31 s"), (720, "12 min"), (3 * 3600 + 290, "3 h 5 min")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text
