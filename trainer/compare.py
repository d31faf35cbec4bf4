"""Shows several runs side by side: how their flags differ, how well they do and what they cost.

    python -m trainer.compare runs
    python -m trainer.compare runs/first runs/second --plot=both.png

A run that is not finished is shown as its newest checkpoint has it. The test accuracy is that of
the report; choose between runs by the validation split, not by the test.
"""

import dataclasses

from pipelines.runtime import command, console
from pipelines.runtime.command import arguments, option
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import check_output_file, write_output_file
from trainer.comparison.curves import curves
from trainer.comparison.groups import grouped
from trainer.comparison.run_table import remarks, run_columns
from trainer.comparison.runs import Run, read_runs
from trainer.comparison.table import csv_table, json_table, text_table

OUTPUT = "Output"
FORMATS = (".png", ".pdf", ".svg")


@dataclasses.dataclass(frozen=True)
class CompareConfig:
    """Which runs are compared, and where that goes."""

    runs: tuple[str, ...] = arguments(
        "RUN...", "Run directories, or directories in which there are some, such as runs."
    )
    plot: str | None = option(
        None,
        "Where the curves of all runs are drawn to: a .png, .pdf or .svg file. Runs that differ in "
        "their seeds alone have one colour.",
        group=OUTPUT,
    )
    csv: str | None = option(None, "Where the table is written to as CSV, too.", group=OUTPUT)
    json: str | None = option(None, "Where the table is written to as JSON, too.", group=OUTPUT)

    def __post_init__(self) -> None:
        if not self.runs:
            raise InputError(
                "received no run, expected run directories, or directories in which there are "
                "some; name one, such as runs."
            )
        if self.plot is not None and not self.plot.lower().endswith(FORMATS):
            raise InputError(
                f"received --plot={self.plot}, expected a file name in .png, .pdf or .svg."
            )


def main(config: CompareConfig) -> None:
    """Compares what `config` names."""
    for flag in ("plot", "csv", "json"):
        if getattr(config, flag) is not None:
            check_output_file(f"--{flag}", getattr(config, flag))
    runs = read_runs(config.runs)
    columns = run_columns(runs)
    console.tell("\n".join([text_table(columns), *remarks(runs)]))
    if config.csv is not None:
        write_output_file("--csv", config.csv, csv_table(columns).encode())
    if config.json is not None:
        write_output_file("--json", config.json, json_table(columns).encode())
    if config.plot is not None:
        _plot(config.plot, runs)


def _plot(path: str, runs: list[Run]) -> None:
    evaluated = [run for run in runs if run.epochs]
    if not evaluated:
        raise InputError(
            f"received --plot={path} for {len(runs)} runs without an evaluated epoch, expected one "
            "with some; train on, or leave the flag out."
        )
    splits = sorted({run.evaluated_split for run in evaluated})
    data = sorted({run.data_name for run in evaluated} - {""})
    title = ", ".join([*data, f"{' and '.join(splits)} split"])
    drawn = curves(grouped(evaluated), title, path.lower().rpartition(".")[2])
    write_output_file("--plot", path, drawn)


if __name__ == "__main__":
    command.run(main, CompareConfig)
