"""How long a run will still take, by what its steps and evaluations have taken so far."""

import time
from collections.abc import Callable

from tqdm import tqdm


class TimeLeft:
    """Estimates the rest of a run from what this process has seen of it.

    The first call compiles, and in the first epoch images may be decoded that later ones find in
    the cache. So the first call never counts, the first epoch only until a second one is over, and
    of the evaluations the last, since the first compiles, too.

    Args:
        step: Steps of the run that were taken before.
        total_steps: Steps of the whole run.
        steps_per_epoch: Steps in each epoch, after which there is an evaluation.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        step: int,
        total_steps: int,
        steps_per_epoch: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._step, self._total = step, total_steps
        self._evaluations_left = total_steps // steps_per_epoch - step // steps_per_epoch
        self._clock = clock
        self._since: float | None = None
        self._steps, self._seconds = 0, 0.0  # that count
        self._first_epoch = 0, 0.0  # of them
        self._epochs = 0
        self._evaluation = 0.0

    def after_steps(self, step: int) -> None:
        """Notes that so many steps of the run have been taken."""
        now = self._clock()
        if self._since is not None:
            self._steps += step - self._step
            self._seconds += now - self._since
        self._step, self._since = step, now

    def after_evaluation(self) -> None:
        """Notes that the evaluation at the end of an epoch is over."""
        now = self._clock()
        self._evaluation = 0.0 if self._since is None else now - self._since
        self._since = now
        self._epochs += 1
        self._evaluations_left = max(0, self._evaluations_left - 1)
        if self._epochs == 1:
            self._first_epoch = self._steps, self._seconds
        elif self._epochs == 2:
            self._steps -= self._first_epoch[0]
            self._seconds -= self._first_epoch[1]

    def seconds(self) -> float | None:
        """The seconds left, with evaluations; None while nothing is known, or nothing is left."""
        steps = self._total - self._step
        if not steps or not self._steps:
            return None
        training = steps * self._seconds / self._steps
        return training + self._evaluations_left * self._evaluation

    def text(self, before: str) -> str:
        """`before` and the time left, as in "left 0:42"; nothing where `seconds` says nothing."""
        seconds = self.seconds()
        return "" if seconds is None else f"{before} {clock_time(seconds)}"


def clock_time(seconds: float) -> str:
    """Seconds as a clock shows them: "0:42", "12:05", "1:02:03"."""
    text = tqdm.format_interval(round(seconds))
    return text[1:] if text.startswith("0") else text
