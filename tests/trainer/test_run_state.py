"""Where a run stands: its means, its best epoch, and when it is over."""

import dataclasses
import json
import math

import pytest

from tests.trainer.checkpoint_samples import NAN, record
from trainer.run_state import RunState


def after(*losses):
    return RunState(records=[record(epoch, loss) for epoch, loss in enumerate(losses, 1)])


@pytest.mark.parametrize(
    ("losses", "best"),
    [
        ([], 0),
        ([0.5], 1),
        ([0.5, 0.4, 0.6], 2),
        ([0.5, 0.4, 0.4], 2),  # the first of equals
        ([0.3, 0.4, 0.2], 3),
        ([NAN, 0.4, 0.6], 2),
        ([0.4, NAN], 1),
        ([NAN, NAN], 1),
    ],
)
def test_the_best_epoch(losses, best):
    assert after(*losses).best_epoch == best


@pytest.mark.parametrize(
    ("losses", "epochs", "early_stopping", "over"),
    [
        ([], 3, None, False),
        ([], 3, 1, False),
        ([0.5, 0.4], 3, None, False),
        ([0.5, 0.4, 0.3], 3, None, True),
        ([0.5, 0.4, 0.3, 0.2], 3, None, True),
        ([0.5], 3, 1, False),
        ([0.5, 0.5], 3, 1, True),
        ([0.5, 0.4], 3, 1, False),
        ([0.4, 0.5, 0.5], 9, 3, False),
        ([0.4, 0.5, 0.5, 0.5], 9, 3, True),
        ([0.4, 0.5, 0.5, 0.3], 9, 3, False),
    ],
)
def test_when_it_is_over(losses, epochs, early_stopping, over):
    assert after(*losses).is_over(epochs, early_stopping) is over


def test_means_are_over_the_steps_so_far():
    state = RunState(sums=[24.0, 6.0, 9.0, 3.0])
    assert state.means(batch_size=4) == (2.0, 0.5, 3.0)
    assert all(map(math.isnan, RunState().means(4)))


def test_an_epoch_that_is_over_leaves_nothing_for_the_next():
    state = RunState(8, [1.0] * 4, 2.0, 1.0, 5.0, [record(1)])
    assert state.evaluated_step == 4
    state.add(record(2))
    told = [0.0] * 6 + [8.0]
    expected = RunState(8, [0.0] * 4, 0.0, 0.0, 5.0, [record(1), record(2)], told)
    # As text: a record has NaN, which from Python 3.13 on makes records unequal to themselves.
    assert repr(state) == repr(expected)
    assert state.evaluated_step == 8
    assert RunState().evaluated_step == 0


def test_comes_back_from_json():
    state = RunState(8, [1 / 3, 0.0, -0.0, 3.0], 2.0, 1.0, 5.0, [record(1)])
    got = RunState.from_dict(json.loads(json.dumps(dataclasses.asdict(state))))
    assert repr(got) == repr(state)  # also where a record has NaN, which equals nothing
    with pytest.raises(TypeError):
        RunState.from_dict({"records": [], "other": 1})
