"""How fast something is done over and over: by the clock, and in processor time."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Rate:
    """How fast images pass.

    Attributes:
        images_per_second: By the clock.
        cpu_ms: Milliseconds of processor time an image, of all threads of this process together.
    """

    images_per_second: float
    cpu_ms: float


def rate_of(images: float, seconds: float, cpu_seconds: float) -> Rate:
    """The rate at which `images` passed in so many seconds."""
    return Rate(images / seconds, 1e3 * cpu_seconds / images)


def rate_of_calls(call: Callable[[], Any], images_per_call: float, seconds: float) -> Rate:
    """Calls for at least `seconds`, after once that does not count.

    Args:
        call: Does the work for `images_per_call` images before it returns.
        images_per_call: How many that are, on average.
        seconds: How long at the least.
    """
    call()
    calls = 0
    start, cpu_start = time.perf_counter(), time.process_time()
    while not calls or time.perf_counter() - start < seconds:
        call()
        calls += 1
    return rate_of(
        calls * images_per_call, time.perf_counter() - start, time.process_time() - cpu_start
    )


def rate_of_dataset(dataset: tf.data.Dataset, images_per_element: float, seconds: float) -> Rate:
    """Takes elements of an endless data set for at least `seconds`, after two that do not count."""
    elements: Iterator[Any] = iter(dataset)
    next(elements)
    return rate_of_calls(lambda: next(elements), images_per_element, seconds)
