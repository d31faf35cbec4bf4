"""The sentence that names the bottleneck."""

import pytest

from trainer.timing.advice import active_stages, advice
from trainer.timing.measure import Rate
from trainer.timing.training import TrainingRates

STAGES = {
    "order": Rate(1e6, 0.001),
    "read": Rate(1e5, 0.01),
    "parse": Rate(3e5, 0.003),
    "batch": Rate(9e5, 0.001),
    "decode": Rate(9e3, 0.2),
    "resize": Rate(7e4, 0.03),
    "cache": Rate(4e5, 0.002),
    "warp": Rate(4e4, 0.04),
}


def sentence(cache, of_constant, stages=STAGES, wait=0.01):
    active = active_stages(stages, cache)
    step, chain = Rate(500, 2.0), Rate(5000, 0.3)
    training = TrainingRates(chain, step, Rate(500 * of_constant, 2.3), of_constant, wait)
    return advice(stages, active, training)


def test_stages_that_a_cache_spares_are_not_passed():
    assert active_stages(STAGES, "memory") == ["order", "cache", "warp"]
    assert active_stages(STAGES, "none") == [name for name in STAGES if name != "cache"]


def test_the_step_is_the_bottleneck_where_the_input_costs_nothing():
    text = sentence("none", 0.97)
    assert text.startswith("The bottleneck is the model's step: the input alone is 10.0 times")
    assert "training keeps 97% of the step's rate" in text
    assert "--precision" in text


@pytest.mark.parametrize(
    ("slow", "flag"),
    [
        ("order", "--shuffle_buffer"),
        ("read", "--input_readers"),
        ("parse", "--cache=memory"),
        ("batch", "--cache=memory"),
        ("decode", "--decode_ratio"),
        ("resize", "--cache=memory"),
        ("warp", "--augment_on=device"),
    ],
)
def test_the_slowest_stage_is_named_with_its_flag(slow, flag):
    text = sentence("none", 0.8, {**STAGES, slow: Rate(1000, 5.0)})
    assert text.startswith(f"The bottleneck is the input, and of it {slow} (5.000 ms")
    assert "training keeps 80%" in text
    assert flag in text


def test_a_stage_that_is_not_passed_is_never_the_bottleneck():
    text = sentence("memory", 0.8, wait=0.2)
    assert "and of it warp" in text


def test_one_measurement_that_is_off_makes_no_bottleneck():
    """The input takes 2 % of the processor time, and the step waits for 1 % of the time."""
    assert sentence("memory", 0.8).startswith("The bottleneck is the model's step")
    assert sentence("none", 0.97, wait=0.2).startswith("The bottleneck is the model's step")
