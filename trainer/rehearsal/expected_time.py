"""How long a run will take, by a few real steps and batches of the evaluation."""

import dataclasses
import itertools
import time

from trainer.loop import Loop
from trainer.run_setup import RunSetup
from trainer.run_state import RunState
from trainer.time_left import clock_time
from trainer.train import eval_feed, train_steps

# Training is timed for so long, or so many calls if that is less; evaluation for so many batches.
_SECONDS, _MOST_CALLS, _EVAL_BATCHES = 3.0, 100, 3


@dataclasses.dataclass(frozen=True)
class ExpectedTime:
    """What was measured, in seconds, and how often it will come.

    Attributes:
        start: The first step and the first batch of an evaluation, which compile.
        step: A training step.
        eval_batch: A batch of an evaluation.
        steps: That are left.
        eval_batches: That are left, with those of the test report.
    """

    start: float
    step: float
    eval_batch: float
    steps: int
    eval_batches: int

    @property
    def seconds(self) -> float:
        """Of the whole run, from where it begins."""
        return self.start + self.steps * self.step + self.eval_batches * self.eval_batch

    def __str__(self) -> str:
        return (
            f"about {clock_time(self.seconds)}, an estimate: {self.start:.1f} s to compile, "
            f"{self.steps} steps of {1e3 * self.step:.0f} ms, "
            f"{self.eval_batches} batches to evaluate of {1e3 * self.eval_batch:.0f} ms"
        )


def measure(setup: RunSetup, loop: Loop, state: RunState) -> ExpectedTime:
    """Trains a little and evaluates a little; the loop's weights change, and nothing is saved.

    Where images are kept in memory, the steps are those of the first epoch, which decode.

    Args:
        setup: What is trained on.
        loop: As the run begins.
        state: Where it begins, with at least one step left.
    """
    first_step, step = _time_steps(setup, loop, state)
    first_batch, eval_batch = _time_evaluation(setup, loop)
    inputs, epochs = setup.inputs, setup.config.epochs - len(state.records)
    splits = [inputs.eval_split] * epochs
    splits += [] if setup.reports_last_evaluation and epochs else ["test"]
    sizes = [inputs.manifest.splits[split].num_examples for split in splits]
    return ExpectedTime(
        start=first_step + first_batch,
        step=step,
        eval_batch=eval_batch,
        steps=setup.total_steps - state.step,
        eval_batches=sum(-(-size // setup.config.batch_size) for size in sizes),
    )


def _time_steps(setup: RunSetup, loop: Loop, state: RunState) -> tuple[float, float]:
    """Seconds of the first call, and of a step in the others."""
    config, per_epoch = setup.config, setup.inputs.steps_per_epoch
    count = min(config.steps_per_call, per_epoch - state.step % per_epoch)
    calls_left = (setup.total_steps - state.step) // count
    steps = train_steps(config, setup.inputs, loop, state)
    begun = time.perf_counter()
    progress = loop.train(steps.take(count), count, loop.begin(state.step))
    progress.sums.numpy()  # waits for the device
    start = time.perf_counter()
    calls = 0
    while calls < min(calls_left - 1, _MOST_CALLS) and time.perf_counter() - start < _SECONDS:
        progress = loop.train(steps.take(count), count, progress)
        calls += 1
    progress.sums.numpy()
    first = start - begun
    return first, (time.perf_counter() - start) / (calls * count) if calls else first / count


def _time_evaluation(setup: RunSetup, loop: Loop) -> tuple[float, float]:
    """Seconds of the first batch, and of one of the others."""
    batches = iter(eval_feed(setup.inputs, loop, setup.inputs.eval_split))
    begun = time.perf_counter()
    loop.predict(itertools.islice(batches, 1))
    start = time.perf_counter()
    others = list(itertools.islice(batches, _EVAL_BATCHES))
    if others:
        loop.predict(others)
    first = start - begun
    return first, (time.perf_counter() - start) / len(others) if others else first
