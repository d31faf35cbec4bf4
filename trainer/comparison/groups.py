"""Runs that differ in nothing but their seeds, taken together."""

import dataclasses
import statistics
from collections.abc import Sequence

from trainer.comparison.flags import differing_flags, short_label
from trainer.comparison.run_table import data_of, names_of
from trainer.comparison.runs import Run

SEED = "seed"


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs of one combination of flags, each with a seed of its own.

    Attributes:
        label: What tells the combination from others.
        runs: At least one epoch of each is evaluated, where figures are asked for.
    """

    label: str
    runs: Sequence[Run]

    @property
    def accuracies(self) -> list[float]:
        """Of each run, on the evaluated split, with the weights that the run keeps."""
        return [run.result.accuracy for run in self.runs if run.result is not None]

    @property
    def losses(self) -> list[float]:
        """The mean cross-entropy, likewise."""
        return [run.result.loss for run in self.runs if run.result is not None]


def mean(values: Sequence[float]) -> float | None:
    """None for no values."""
    return statistics.fmean(values) if values else None


def standard_deviation(values: Sequence[float]) -> float | None:
    """Of the values as a sample, with n - 1 below the line; None for fewer than two."""
    return statistics.stdev(values) if len(values) > 1 else None


def median(values: Sequence[float]) -> float | None:
    """None for no values."""
    return statistics.median(values) if values else None


def grouped(runs: Sequence[Run]) -> list[Group]:
    """Puts runs together that differ in their seeds alone, in the order of the first of each.

    Runs that differ in nothing else are not put together, nor are those that differ in nothing.
    """
    differing = differing_flags([run.flags for run in runs])
    names = [name for name in differing if name != SEED] or differing
    several_data = len({run.data for run in runs} - {None}) > 1
    by_label: dict[str, list[Run]] = {}
    for run, name in zip(runs, names_of(runs), strict=True):
        parts = [short_label(run.flags, names) or name]
        parts += [f"data={data_of(run)}"] * several_data
        by_label.setdefault(", ".join(parts), []).append(run)
    return [Group(text, members) for text, members in by_label.items()]
