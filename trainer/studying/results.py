"""What a study has found: a row for each combination, over its seeds."""

import dataclasses
from collections.abc import Mapping, Sequence

from trainer.comparison.flags import shown
from trainer.comparison.groups import Group, mean, median, standard_deviation
from trainer.comparison.runs import read_run
from trainer.comparison.table import Column, count, decimal, share
from trainer.studying.plan import Plan


@dataclasses.dataclass(frozen=True)
class Results:
    """The runs of a study that are finished, by combination.

    Attributes:
        plan: Of the study.
        groups: One for each combination, in the order of the plan.
        failed: How many runs of each have failed.
        split: The evaluated one.
        data_name: What the data are called.
    """

    plan: Plan
    groups: Sequence[Group]
    failed: Sequence[int]
    split: str
    data_name: str

    @property
    def columns(self) -> list[Column]:
        """The table."""
        groups = self.groups
        runs = [group.runs for group in groups]
        deviation = [standard_deviation(group.accuracies) for group in groups]
        return [
            *self._head(),
            Column("runs", [len(members) for members in runs], count),
            *([Column("failed", self.failed, count)] if any(self.failed) else ()),
            Column(f"{self.split} accuracy", [mean(g.accuracies) for g in groups], share),
            Column("standard deviation", deviation, share),
            Column(f"{self.split} loss", [mean(g.losses) for g in groups], decimal),
            Column("parameters", [_of_all(group, "parameters") for group in groups], count),
            Column("multiply-adds", [_of_all(group, "multiply_adds") for group in groups], count),
            Column("images/s", [_median(group, "images_per_second") for group in groups], count),
        ]

    @property
    def remarks(self) -> list[str]:
        """What a reader of the table has to know."""
        plan = self.plan
        lines = [
            f"{self.data_name}, {self.split} split: mean accuracy and loss over the seeds, and the "
            "standard deviation of the accuracy between them (n - 1); images/s: the median."
        ]
        if plan.one_at_a_time and plan.factors:
            first = ", ".join(f"{f.name}={shown(f.values[0])}" for f in plan.factors)
            lines.append(f"baseline: {first}; each other row differs from it in one flag.")
        if self.split == "test":
            lines.append(
                "These are test images: do not choose by them, or the accuracy of what was chosen "
                "is too good. Convert with --validation_fraction=0.2 to have a split to choose by."
            )
        return lines

    def _head(self) -> list[Column]:
        combinations, factors = self.plan.combinations, self.plan.factors
        if self.plan.one_at_a_time or not factors:
            return [Column("combination", [c.label for c in combinations])]
        return [
            Column(factor.name, [shown(c.values[factor.name]) for c in combinations])
            for factor in factors
        ]


def read_results(plan: Plan, failures: Mapping[str, str], split: str, data_name: str) -> Results:
    """Reads the runs of a study.

    Args:
        plan: Of the study.
        failures: The names of the runs that have failed.
        split: The evaluated one.
        data_name: What the data are called.

    Raises:
        InputError: if one cannot be read.
    """
    groups, failed = [], []
    for combination in plan.combinations:
        planned = plan.of(combination)
        done = [run for run in planned if run.name not in failures]
        groups.append(Group(combination.label, [read_run(run.run_dir) for run in done]))
        failed.append(len(planned) - len(done))
    return Results(plan, groups, failed, split, data_name)


def _of_all(group: Group, name: str) -> int | None:
    """What is the same in all runs of a group."""
    return next((getattr(run, name) for run in group.runs), None)


def _median(group: Group, name: str) -> float | None:
    values = [getattr(run, name) for run in group.runs]
    return median([value for value in values if value is not None])
