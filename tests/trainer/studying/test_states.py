"""What there is already of a study's runs."""

import dataclasses

import pytest

from pipelines.runtime.errors import InputError
from tests.trainer.made_runs import make_run
from trainer.config import TrainConfig
from trainer.studying.factors import Factor
from trainer.studying.plan import make_plan
from trainer.studying.states import find_states

BASE = {field.name: field.default for field in dataclasses.fields(TrainConfig)}
DATA = "a" * 64
EPOCHS = TrainConfig().epochs


@pytest.fixture
def plan(tmp_path):
    """Three runs: default, l2=1 and l2=2, all with seed 0."""
    return make_plan(BASE, [Factor("l2", (0.0, 1.0, 2.0))], 1, False, str(tmp_path))


def test_finished_begun_and_new(plan, tmp_path):
    make_run(tmp_path / "default,seed=0", epochs=EPOCHS)
    make_run(
        tmp_path / "l2=1,seed=0",
        finished=False,
        l2=1,
        epochs=EPOCHS,
        keep_checkpoints=7,
    )
    states = find_states(plan, DATA)
    assert [states.word(run) for run in plan.runs] == ["finished", "goes on", "new"]


def test_an_empty_directory_is_new(plan, tmp_path):
    (tmp_path / "l2=2,seed=0").mkdir()
    assert find_states(plan, DATA).new == list(plan.runs)


@pytest.mark.parametrize("finished", [True, False])
def test_runs_of_other_data_are_refused(plan, tmp_path, finished):
    make_run(
        tmp_path / "l2=1,seed=0",
        l2=1,
        epochs=EPOCHS,
        data="b" * 64,
        finished=finished,
    )
    with pytest.raises(InputError) as caught:
        find_states(plan, DATA)
    assert "but the run l2=1,seed=0 in" in str(caught.value)
    assert "is of other data (bbbbbbbbbbbb), expected the same" in str(caught.value)


def test_a_run_of_other_flags_is_refused(plan, tmp_path):
    make_run(tmp_path / "l2=1,seed=0", l2=1, epochs=EPOCHS, init="orthogonal")
    with pytest.raises(InputError) as caught:
        find_states(plan, DATA)
    assert "in which l2=1,seed=0 is a run of other flags (init=orthogonal,l2=1," in str(
        caught.value
    )


def test_something_that_is_no_run_is_refused(plan, tmp_path):
    (tmp_path / "l2=1,seed=0").mkdir()
    (tmp_path / "l2=1,seed=0" / "notes.txt").touch()
    with pytest.raises(InputError, match="which holds something that is no run"):
        find_states(plan, DATA)
