"""Figures of parts of epochs: where they end, and what they say, also of a run that goes on."""

import copy

import pytest

from trainer.run_state import RunState
from trainer.summaries.step_profile import profile_warning
from trainer.summaries.windows import Windows


def ends(windows, steps):
    return [step for step in range(1, steps + 1) if windows.is_over_after(step)]


@pytest.mark.parametrize(
    ("every", "expected"),
    [(0, []), (1, list(range(1, 15))), (3, [3, 6, 10, 13]), (7, [7, 14]), (8, [])],
)
def test_windows_do_not_go_beyond_their_epoch(every, expected):
    windows = Windows(every, steps_per_epoch=7, batch_size=4)
    assert ends(windows, 14) == expected


@pytest.mark.parametrize("every", [1, 2, 3, 5, 7, 9])
def test_calls_of_several_steps_end_where_windows_end(every):
    windows, step, met = Windows(every, 7, 4), 0, []
    while step < 21:
        step += min(4, 7 - step % 7, windows.most(step))
        met += [step] * windows.is_over_after(step)
    assert met == ends(windows, 21)


def test_a_window_has_the_means_of_its_steps_alone():
    windows, state = Windows(2, 6, batch_size=10), RunState()
    state.step = 2
    state.sums, state.epoch_seconds, state.waited_seconds = [40.0, 5.0, 6.0, 2.0], 2.0, 1.0
    windows.metrics(state, 0.1)
    state.step = 4
    state.sums, state.epoch_seconds, state.waited_seconds = [60.0, 15.0, 10.0, 4.0], 6.0, 2.0
    saved = copy.deepcopy(state)
    got = windows.metrics(state, 0.2)
    assert (got.loss, got.accuracy, got.gradient_norm) == (1.0, 0.5, 2.0)
    assert (got.images_per_second, got.input_wait_fraction) == (5.0, 0.25)
    assert got.learning_rate == 0.2
    assert windows.metrics(saved, 0.2) == got  # as when it goes on from a checkpoint


def test_without_the_steps_before_the_first_window_its_speed_is_that_of_all():
    """As when windows are asked for in the middle of an epoch."""
    windows, state = Windows(2, 6, batch_size=10), RunState(step=4, epoch_seconds=8.0)
    state.sums = [40.0, 20.0, 4.0, 4.0]
    assert windows.metrics(state, 0.1).images_per_second == 5.0


def test_the_next_epoch_begins_anew():
    from tests.trainer.checkpoint_samples import record

    windows, state = Windows(2, 2, batch_size=1), RunState()
    state.sums, state.epoch_seconds = [4.0, 1.0, 2.0, 2.0], 2.0
    windows.metrics(state, 0.1)
    state.add(record())
    state.sums, state.epoch_seconds = [2.0, 1.0, 2.0, 2.0], 1.0
    assert windows.metrics(state, 0.1).loss == 1.0


@pytest.mark.parametrize(
    ("steps_left", "warning"),
    [
        (20, ""),
        (19, "but only 19 steps are left; steps 10 to 19 are profiled."),
        (11, "but only 11 steps are left; steps 10 to 11 are profiled."),
        (9, "but only 9 steps are left; nothing is profiled."),
    ],
)
def test_a_run_that_is_too_short_for_its_profile(steps_left, warning):
    got = profile_warning((10, 20), steps_left)
    assert got.endswith(warning) and bool(got) == bool(warning)
    assert profile_warning(None, 0) == ""
