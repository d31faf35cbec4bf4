"""Times the chain, the step on a constant batch, and both together as a run has them."""

import dataclasses
import itertools
import statistics
import time
from collections.abc import Iterator
from typing import Any

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
    loop: Loop, batches: Iterator[Any], batch_size: int, seconds: float, rounds: int
) -> TrainingRates:
    """Times a loop on the batches of a pipeline that has begun.

    Args:
        loop: Ready to train.
        batches: What each step takes; from caches that are filled.
        batch_size: Images in a step.
        seconds: How long each measurement takes, about.
        rounds: How often step and training take turns; the median counts.
    """
    constant = itertools.repeat(next(batches))
    _train(loop, constant, 2, batch_size)  # traces and compiles
    tenth = _train(loop, constant, 5, batch_size)[0]
    steps = max(5, round(seconds * tenth.images_per_second / batch_size))
    pairs = []
    for _ in range(rounds):
        step, _ = _train(loop, constant, steps, batch_size)
        pairs.append((step, *_train(loop, batches, steps, batch_size)))
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


def _train(loop: Loop, batches: Iterator[Any], steps: int, batch_size: int) -> tuple[Rate, float]:
    """The rate, and the share of the time that was spent waiting for batches."""
    start, cpu_start = time.perf_counter(), time.process_time()
    metrics = loop.train_epoch(batches, steps, lambda *_: None)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return rate_of(steps * batch_size, seconds, cpu_seconds), metrics.input_wait_fraction


def _middle(values: tuple[Any, ...]) -> Any:
    ranked = sorted(values, key=lambda v: v.images_per_second if isinstance(v, Rate) else v)
    return ranked[len(ranked) // 2]
