"""The learning rate over the run, against the formulas."""

import math

import keras
import pytest

from trainer.config import TrainConfig
from trainer.fused_adam import FusedAdam
from trainer.optimizer import make_optimizer

STEPS = 10


def rate(step, **changes):
    optimizer = make_optimizer(
        TrainConfig(**{"epochs": 4, "learning_rate": 0.01, **changes}), STEPS
    )
    optimizer.build([])
    optimizer.iterations.assign(step)
    return float(optimizer.learning_rate)


@pytest.mark.parametrize("step", [0, 13, 40])
def test_constant(step):
    assert rate(step, schedule="constant") == pytest.approx(0.01)


@pytest.mark.parametrize("step", [0, 13, 40])
def test_cosine_falls_to_zero_at_the_end_of_the_run(step):
    expected = 0.01 * (1 + math.cos(math.pi * step / 40)) / 2
    assert rate(step, warmup_fraction=0.0) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(("step", "share"), [(0, 0.0), (5, 0.5), (10, 1.0), (25, 0.5), (40, 0.0)])
def test_warmup_rises_linearly_and_then_the_cosine_starts(step, share):
    assert rate(step, warmup_fraction=0.25) == pytest.approx(0.01 * share, abs=1e-8)


def test_a_warmup_of_nearly_all_steps_leaves_one_to_fall():
    assert rate(39, warmup_fraction=0.999) == pytest.approx(0.01)
    assert rate(40, warmup_fraction=0.999) == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("step", [0, 100, 2600])
def test_inverse_time_is_the_tutorials_decay(step):
    got = rate(step, schedule="inverse_time", epochs=50, learning_rate=1e-4)
    assert got == pytest.approx(1e-4 / (1 + 1e-4 / 50 * step))
    assert rate(step, schedule="inverse_time", decay=0.5) == pytest.approx(0.01 / (1 + 0.5 * step))


AFTER_THE_RISE = {  # the rate k steps after it, of 30 that are left
    "constant": lambda k: 0.01,
    "cosine": lambda k: 0.01 * (1 + math.cos(math.pi * k / 30)) / 2,
    "inverse_time": lambda k: 0.01 / (1 + 0.01 / 4 * k),  # decay: learning_rate / epochs
}


@pytest.mark.parametrize("schedule", AFTER_THE_RISE)
def test_every_schedule_begins_at_the_end_of_the_rise(schedule):
    flags = {"schedule": schedule, "warmup_fraction": 0.25}
    for step in (0, 1, 9):
        assert rate(step, **flags) == pytest.approx(0.01 * step / 10, abs=1e-8)
    for k in (0, 1, 15, 30):
        expected = AFTER_THE_RISE[schedule](k)
        assert rate(10 + k, **flags) == pytest.approx(expected, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize(
    ("schedule", "share"), [("constant", 1.0), ("cosine", 0.0), ("inverse_time", 1.0)]
)
def test_only_the_cosine_rises_unless_asked(schedule, share):
    assert rate(0, schedule=schedule) == pytest.approx(0.01 * share)


@pytest.mark.parametrize(
    ("flags", "kind", "momentum", "weight_decay"),
    [
        ({}, FusedAdam, None, None),
        ({"optimizer": "adamw"}, FusedAdam, None, 0.004),
        ({"optimizer": "adamw", "weight_decay": 0.1}, FusedAdam, None, 0.1),
        ({"optimizer": "sgd"}, keras.optimizers.SGD, 0.9, None),
        ({"optimizer": "sgd", "momentum": 0.0}, keras.optimizers.SGD, 0.0, None),
        ({"optimizer": "sgd", "weight_decay": 0.1}, keras.optimizers.SGD, 0.9, 0.1),
    ],
)
def test_the_optimizer_is_the_one_asked_for(flags, kind, momentum, weight_decay):
    optimizer = make_optimizer(TrainConfig(**flags), STEPS)
    assert type(optimizer) is kind
    assert getattr(optimizer, "momentum", None) == momentum
    assert optimizer.weight_decay == weight_decay
