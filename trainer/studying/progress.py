"""Says how far a study is, and how long it still takes."""

import statistics
import time

from pipelines.runtime import console
from trainer.comparison.runs import Run
from trainer.comparison.table import share


class StudyProgress:
    """Lines for the user of a study.

    Args:
        total: Runs that are still to be run.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._number = 0
        self._seconds: list[float] = []

    def begins(self, name: str, *, goes_on: bool) -> None:
        """A run begins."""
        self._number += 1
        self._began = time.monotonic()
        how = ", which goes on" * goes_on
        console.say(f"run {self.place}  {name}{how}{self._left()}")

    def ended(self, run: Run) -> None:
        """It has ended well."""
        seconds = time.monotonic() - self._began
        self._seconds.append(seconds)
        result = run.result
        accuracy = share(result.accuracy) if result else "none"
        console.say(
            f"{self._indent}{run.evaluated_split} accuracy {accuracy} in {duration(seconds)}"
        )

    def failed(self, reason: str) -> None:
        """It has not, and the study goes on."""
        console.say(f"{self._indent}failed: {reason}")

    @property
    def place(self) -> str:
        """As '2 of 9'."""
        return f"{self._number} of {self._total}"

    @property
    def _indent(self) -> str:
        return " " * len(f"run {self.place}  ")

    def _left(self) -> str:
        if not self._seconds:
            return ""
        runs_left = self._total - self._number + 1
        return f"; about {duration(statistics.median(self._seconds) * runs_left)} left"


def duration(seconds: float) -> str:
    """As '31 s', '12 min' or '3 h 5 min'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
