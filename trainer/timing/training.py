"""Times the chain, the step on a constant batch, and both together as a run has them."""

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

from trainer.feed import Steps
from trainer.loop import Loop
from trainer.timing.measure import Rate, rate_of, rate_of_calls


@dataclasses.dataclass(frozen=True)
class TrainingRates:
    """Rates in images a second over all replicas.

    Attributes:
        chain: The whole input pipeline, with nothing else going on.
        step: The training step on one batch, again and again.
        training: The step on the batches of the pipeline.
        of_constant: The rate of `training` over that of `step`, measured in turns.
        input_wait_fraction: Share of the time of `training` in which the step waited for a batch.
    """

    chain: Rate
    step: Rate
    training: Rate
    of_constant: float
    input_wait_fraction: float


def time_training(
    loop: Loop,
    batches: Steps,
    batch_size: int,
    seconds: float,
    rounds: int,
    steps_per_call: int = 1,
) -> TrainingRates:
    """Times a loop on the batches of a pipeline that has begun.

    Args:
        loop: Ready to train.
        batches: What each step takes; from caches that are filled.
        batch_size: Images in a step.
        seconds: How long each measurement takes, about.
        rounds: How often step and training take turns; the median counts.
        steps_per_call: As in `--steps_per_call`.
    """
    first = batches.take(steps_per_call)
    images_per_call = batch_size * steps_per_call

    def train(take: Callable[[], Any], calls: int) -> tuple[Rate, float]:
        return _train(loop, take, calls, steps_per_call, images_per_call)

    train(lambda: first, 2)  # traces and compiles
    tenth = train(lambda: first, 5)[0]
    calls = max(5, round(seconds * tenth.images_per_second / images_per_call))
    pairs = []
    for _ in range(rounds):
        step, _ = train(lambda: first, calls)
        pairs.append((step, *train(lambda: batches.take(steps_per_call), calls)))
    step, training, wait = (_middle(column) for column in zip(*pairs, strict=True))
    return TrainingRates(
        chain=rate_of_calls(lambda: next(batches), batch_size, seconds),
        step=step,
        training=training,
        of_constant=statistics.median(
            training.images_per_second / step.images_per_second for step, training, _ in pairs
        ),
        input_wait_fraction=wait,
    )


def _train(
    loop: Loop, take: Callable[[], Any], calls: int, steps_per_call: int, images_per_call: int
) -> tuple[Rate, float]:
    """The rate, and the share of the time that was spent waiting for batches."""
    start, cpu_start, waited = time.perf_counter(), time.process_time(), 0.0
    progress = loop.begin(0)
    for _ in range(calls):
        asked = time.perf_counter()
        batch = take()
        waited += time.perf_counter() - asked
        progress = loop.train(batch, steps_per_call, progress)
    progress.sums.numpy()  # waits for the device
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return rate_of(calls * images_per_call, seconds, cpu_seconds), waited / seconds


def _middle(values: tuple[Any, ...]) -> Any:
    ranked = sorted(values, key=lambda v: v.images_per_second if isinstance(v, Rate) else v)
    return ranked[len(ranked) // 2]
