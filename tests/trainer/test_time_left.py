"""The time left follows from the steps and evaluations so far, not from what compiles."""

import pytest

from trainer.time_left import TimeLeft, clock_time

STEPS, EPOCHS = 10, 4


class Run:
    """A run whose clock is set by what it does."""

    def __init__(self, step=0):
        self.now, self.step = 0.0, step
        self.left = TimeLeft(step, EPOCHS * STEPS, STEPS, lambda: self.now)

    def train(self, *seconds):
        for duration in seconds:
            self.now += duration
            self.step += 1
            self.left.after_steps(self.step)

    def evaluate(self, seconds):
        self.now += seconds
        self.left.after_evaluation()


def test_nothing_is_known_before_the_second_call():
    run = Run()
    assert run.left.seconds() is None
    run.train(100.0)
    assert run.left.seconds() is None and run.left.text("left") == ""
    run.train(2.0)
    assert run.left.seconds() == (EPOCHS * STEPS - 2) * 2.0


def test_the_first_epoch_counts_only_until_a_second_is_over():
    run = Run()
    run.train(100.0, *[3.0] * 9)
    run.evaluate(50.0)
    assert run.left.seconds() == 30 * 3.0 + 3 * 50.0
    run.train(*[1.0] * 10)
    assert run.left.seconds() == pytest.approx(20 * (9 * 3.0 + 10 * 1.0) / 19 + 3 * 50.0)
    run.evaluate(5.0)
    assert run.left.seconds() == pytest.approx(20 * 1.0 + 2 * 5.0)
    assert run.left.text("left") == "left 0:30"


def test_nothing_is_left_after_the_last_step():
    run = Run(step=3 * STEPS)
    run.train(*[1.0] * 10)
    run.evaluate(1.0)
    assert run.left.seconds() is None


def test_a_resumed_run_counts_its_own_steps():
    run = Run(step=35)
    run.train(50.0, 2.0, 2.0)
    assert run.left.seconds() == 2 * 2.0


def test_several_steps_in_a_call():
    run = Run()
    for step, now in ((4, 9.0), (8, 11.0)):
        run.now = now
        run.left.after_steps(step)
    assert run.left.seconds() == 32 * 0.5


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0:00"), (42.4, "0:42"), (725, "12:05"), (3723, "1:02:03")]
)
def test_clock_time(seconds, text):
    assert clock_time(seconds) == text
