"""Compares an export with the model that it was made from, on real images."""

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from pipelines.runtime.errors import InputError
from trainer.exporting.checked_images import CheckedImages
from trainer.exporting.saved_model import SavedModelRunner
from trainer.exporting.written import Runner

# Runtimes add up in other orders. On networks of this project's size that changes probabilities
# by some 1e-6; a layer that is left out or misread, by tenths.
TOLERANCE = 1e-4


@dataclasses.dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Attributes:
        images: How many were compared.
        difference: The largest of any probability, from the model in float32.
        milliseconds: For an image alone, from its pixels; the median.
        encoded_milliseconds: The same from its file, where the format takes files.
    """

    images: int
    difference: float
    milliseconds: float
    encoded_milliseconds: float | None = None


def check(
    runner: Runner, images: CheckedImages, expected: np.ndarray, class_names: tuple[str, ...]
) -> CheckResult:
    """Runs an export on `images`, all together and one at a time.

    Args:
        runner: The export.
        images: What it is shown.
        expected: float32 (images, classes), the probabilities of the model in float32.
        class_names: In the order of the outputs.

    Raises:
        InputError: if any probability differs by more than `TOLERANCE`, or, where the export names
            classes, a name does.
    """
    scaled = images.scaled
    found = [runner.probabilities(scaled)]
    alone, milliseconds = _one_at_a_time(runner.probabilities, np.split(scaled, len(scaled)))
    found.append(np.concatenate(alone))
    encoded_milliseconds = None
    if isinstance(runner, SavedModelRunner):
        answers, encoded_milliseconds = _one_at_a_time(
            runner.encoded_images, [[data] for data in images.encoded]
        )
        for answer in (runner.encoded_images(images.encoded), _joined(answers)):
            found.append(answer["probabilities"])
            _check_names(answer, expected, class_names)
        _check_class_names(runner.class_names(), class_names)
    difference = max(_difference(probabilities, expected) for probabilities in found)
    return CheckResult(len(scaled), difference, milliseconds, encoded_milliseconds)


def largest_difference(received: np.ndarray, expected: np.ndarray) -> float:
    """Of any probability; infinite where one is no number, or the shapes are not the same."""
    if received.shape != expected.shape:
        return float("inf")
    difference = float(np.max(np.abs(received.astype(np.float64) - expected)))
    return difference if np.isfinite(difference) else float("inf")


def _difference(received: np.ndarray, expected: np.ndarray) -> float:
    difference = largest_difference(received, expected)
    if difference > TOLERANCE:
        raise InputError(
            f"received from the export probabilities that differ by {difference:.2g} from the "
            f"model's, expected {TOLERANCE:g} at the most; nothing was left of it: choose another "
            "--format, or other versions of the packages that convert it."
        )
    return difference


def _check_names(
    answer: dict[str, np.ndarray], expected: np.ndarray, class_names: tuple[str, ...]
) -> None:
    """Compares the most probable classes, but for images on which two are as good as equal."""
    places = np.argmax(expected, axis=1)
    first, second = np.sort(expected, axis=1)[:, :-3:-1].T
    is_tie = first - second <= 2 * TOLERANCE
    named = [name.decode() for name in answer["class_names"]]
    for number, (received, place) in enumerate(zip(named, places, strict=True)):
        if received != class_names[place] and not is_tie[number]:
            raise InputError(
                f"received from the export the class {received!r} for image {number}, expected "
                f"{class_names[place]!r} as the model says; nothing was left of it."
            )
    _difference(answer["probability"], first)


def _check_class_names(received: tuple[str, ...], expected: tuple[str, ...]) -> None:
    if received != expected:
        raise InputError(
            f"received from the export the classes {', '.join(received)}, expected "
            f"{', '.join(expected)}; nothing was left of it."
        )


def _one_at_a_time(ask: Callable[[Any], Any], inputs: list[Any]) -> tuple[list[Any], float]:
    """The answers, and the median milliseconds for one; the first call is not timed."""
    ask(inputs[0])
    answers, times = [], []
    for item in inputs:
        begin = time.perf_counter()
        answers.append(ask(item))
        times.append(1000 * (time.perf_counter() - begin))
    return answers, statistics.median(times)


def _joined(answers: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}
