"""When a run is saved."""

import pytest

from tests.trainer.checkpoint_samples import record
from trainer.run_state import RunState
from trainer.saver import Saver


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Output:
    def __init__(self):
        self.saved = []

    def save(self, state, arrays, best):
        self.saved.append((state.step, arrays, best))


class Loop:
    def state(self):
        return {"model/000": 1}


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("trainer.saver.time.monotonic", clock)
    return clock


def saver(every, state=None):
    output = Output()
    return Saver(every, output, state or RunState(), ["best"]), output


def test_each_epoch(clock):
    made, _ = saver("epoch")
    clock.now += 10**6
    assert made.is_due_after_epoch()
    assert not any(made.is_due_after_step(step) for step in range(1, 100))
    assert made.most(5) > 10**6


def test_each_so_many_steps(clock):
    made, _ = saver("3")
    clock.now += 10**6
    assert [step for step in range(1, 10) if made.is_due_after_step(step)] == [3, 6, 9]
    assert not made.is_due_after_epoch()
    assert [made.most(step) for step in range(7)] == [3, 2, 1, 3, 2, 1, 3]


def test_each_so_many_minutes(clock):
    made, output = saver("2m")
    assert made.most(5) > 10**6 and not made.is_due_after_epoch()
    clock.now += 119
    assert not made.is_due_after_step(1)
    clock.now += 1
    assert made.is_due_after_step(2)
    made.save(RunState(step=2), Loop())
    assert not made.is_due_after_step(3)
    clock.now += 120
    assert made.is_due_after_step(4)
    assert output.saved == [(2, {"model/000": 1}, ["best"])]


def test_knows_what_it_has_saved():
    made, _ = saver("epoch", RunState(step=4))
    assert made.has_saved(RunState(step=4))
    assert not made.has_saved(RunState(step=5))
    evaluated = RunState(step=4, records=[record(1)])  # the same step, an evaluation later
    assert not made.has_saved(evaluated)
    made.save(evaluated, Loop())
    assert made.has_saved(evaluated)
