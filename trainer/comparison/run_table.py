"""A row for each of several runs, and what a reader of the rows has to know."""

from collections.abc import Iterator, Sequence
from typing import Any

from pipelines.runtime.console import first_lines
from trainer.comparison.flags import Flags, differing_flags, shown, value_of
from trainer.comparison.runs import Run
from trainer.comparison.table import Column, count, decimal, share


def run_columns(runs: Sequence[Run]) -> list[Column]:
    """The name of each run, the flags in which they differ, how well they do, what they cost."""
    flags = [run.flags for run in runs]
    differing = [
        Column(name, [_given(values, name) for values in flags], shown)
        for name in differing_flags(flags)
    ]
    splits = {run.evaluated_split for run in runs}
    split = splits.pop() if len(splits) == 1 else "evaluated"
    last = [run.epochs[-1] if run.epochs else None for run in runs]
    return [
        Column("run", names_of(runs)),
        *differing,
        *_data_columns(runs),
        Column("test accuracy", [_reported(run, "accuracy") for run in runs], share),
        Column("macro F1", [_reported(run, "macro_f1") for run in runs], decimal),
        Column(f"last {split} accuracy", [epoch and epoch.accuracy for epoch in last], share),
        Column(f"last {split} loss", [epoch and epoch.loss for epoch in last], decimal),
        Column("parameters", [run.parameters for run in runs], count),
        Column("multiply-adds", [run.multiply_adds for run in runs], count),
        Column("images/s", [run.images_per_second for run in runs], count),
        Column("seconds", [_reported(run, "train_seconds") for run in runs], count),
    ]


def names_of(runs: Sequence[Run]) -> list[str]:
    """The directory of each: its name alone, where that tells them apart."""
    names = [run.name for run in runs]
    unique = len(set(names)) == len(names)
    return names if unique else [str(run.directory) for run in runs]


def remarks(runs: Sequence[Run]) -> Iterator[str]:
    """Which runs are not finished, and which are on other data than the first."""
    names = names_of(runs)
    unfinished = [(name, run) for name, run in zip(names, runs, strict=True) if not run.is_finished]
    if unfinished:
        yield "Not finished, and without a report:"
        yield from first_lines([f"{name}, {_progress(run)}" for name, run in unfinished])
    others = [name for name, run in zip(names, runs, strict=True) if is_on_other_data(run, runs[0])]
    if others:
        yield f"On other data or splits than {names[0]}; their figures do not compare with it:"
        yield from first_lines(others)


def is_on_other_data(run: Run, other: Run) -> bool:
    """Whether two runs are known to have other data, or were evaluated on other splits."""
    known = run.data is not None and other.data is not None
    return (known and run.data != other.data) or run.evaluated_split != other.evaluated_split


def data_of(run: Run) -> str | None:
    """The name of a run's data and the head of their fingerprint; None where they are not known."""
    return None if run.data is None else f"{run.data_name} {run.data[:8]}".strip()


def _data_columns(runs: Sequence[Run]) -> list[Column]:
    """Only where the runs do not agree."""
    columns = []
    if len({run.data for run in runs} - {None}) > 1:
        columns.append(Column("data", [data_of(run) for run in runs]))
    if len({run.evaluated_split for run in runs}) > 1:
        columns.append(Column("evaluated split", [run.evaluated_split for run in runs]))
    return columns


def _given(flags: Flags, name: str) -> Any:
    """A flag's value, in which 'not given' is a value as any other."""
    value = value_of(flags, name)
    return shown(value) if value is None or isinstance(value, list | tuple) else value


def _progress(run: Run) -> str:
    epochs = f"{len(run.epochs)} of {run.flags['epochs']} epochs"
    return f"{epochs}, as its newest checkpoint has it" if run.epochs else "no epoch saved yet"


def _reported(run: Run, name: str) -> Any:
    return None if run.report is None else run.report[name]
