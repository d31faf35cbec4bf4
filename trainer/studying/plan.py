"""What a study is going to run: every combination of its factors, with every seed."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipelines.runtime.errors import InputError
from trainer.comparison.flags import label, shown
from trainer.comparison.groups import SEED
from trainer.config import TrainConfig
from trainer.studying.factors import Factor
from trainer.studying.naming import run_name

BASELINE = "baseline"


@dataclasses.dataclass(frozen=True)
class Combination:
    """One value of each factor.

    Attributes:
        values: By the factor's name.
        label: What tells it from the others.
        changed: The factor that is not the baseline's, where one at a time is varied; None for the
            baseline, and where all are varied together.
    """

    values: dict[str, Any]
    label: str
    changed: str | None = None


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """A run that a study needs.

    Attributes:
        combination: Of which it is.
        config: All its flags; `run_dir` is where it is, or will be.
    """

    combination: Combination
    config: TrainConfig

    @property
    def run_dir(self) -> Path:
        """Where it is, or will be."""
        return Path(self.config.run_dir or "")

    @property
    def name(self) -> str:
        """Of its directory."""
        return self.run_dir.name


@dataclasses.dataclass(frozen=True)
class Plan:
    """All runs of a study, in the order in which they are run.

    The seeds of a combination come one after the other, so that a study that is stopped has whole
    combinations to show.
    """

    study_dir: Path
    factors: tuple[Factor, ...]
    one_at_a_time: bool
    combinations: tuple[Combination, ...]
    runs: tuple[PlannedRun, ...]

    def of(self, combination: Combination) -> list[PlannedRun]:
        """The runs of a combination."""
        return [run for run in self.runs if run.combination is combination]


def make_plan(
    base: dict[str, Any],
    factors: Sequence[Factor],
    seeds: int,
    one_at_a_time: bool,
    study_dir: str,
) -> Plan:
    """The runs of a study.

    Args:
        base: The trainer's flags, which are the same in all runs but for the factors.
        factors: What is varied.
        seeds: How many, from `base["seed"]` on.
        one_at_a_time: Whether each factor is varied alone, the others being at their first values.
        study_dir: Where the runs are.

    Raises:
        InputError: for a combination that cannot be.
    """
    directory = Path(study_dir).expanduser()
    combinations = tuple(_alone(factors) if one_at_a_time else _together(factors))
    runs = [
        PlannedRun(combination, _config(base, combination, base[SEED] + number, directory))
        for combination in combinations
        for number in range(seeds)
    ]
    return Plan(directory, tuple(factors), one_at_a_time, combinations, tuple(runs))


def _together(factors: Sequence[Factor]) -> Iterator[Combination]:
    names = [factor.name for factor in factors]
    for values in itertools.product(*(factor.values for factor in factors)):
        chosen = dict(zip(names, values, strict=True))
        yield Combination(chosen, label(chosen, names) or BASELINE)


def _alone(factors: Sequence[Factor]) -> Iterator[Combination]:
    baseline = {factor.name: factor.values[0] for factor in factors}
    yield Combination(baseline, BASELINE)
    for factor in factors:
        for value in factor.values[1:]:
            text = f"{factor.name}={shown(value)}"
            yield Combination({**baseline, factor.name: value}, text, factor.name)


def _config(
    base: dict[str, Any], combination: Combination, seed: int, directory: Path
) -> TrainConfig:
    values = {**base, **combination.values, SEED: seed}
    try:
        config = TrainConfig(**values)
    except InputError as error:
        if not combination.values:
            raise
        which = " ".join(f"--{name}={shown(value)}" for name, value in combination.values.items())
        raise InputError(f"for the combination {which}: {error}") from error
    run_dir = directory / run_name(config.as_json())
    return dataclasses.replace(config, run_dir=str(run_dir))
