"""What a study leaves in its directory, beside the runs, and says at its end."""

import shlex
from pathlib import Path

from pipelines.runtime import console
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import atomic_file
from trainer.comparison.spread import spread
from trainer.comparison.table import csv_table, markdown_table, text_table
from trainer.studying.results import Results


def write_results(results: Results, name: str) -> None:
    """Writes a table as CSV and in Markdown and a plot, each whole or not at all, and says it all.

    Args:
        results: Of the study.
        name: Of the files in its directory, without their endings.

    Raises:
        InputError: if they cannot be written.
    """
    directory, remarks = results.plan.study_dir, results.remarks
    try:
        _write(directory / f"{name}.csv", csv_table(results.columns).encode())
        text = "\n\n".join([markdown_table(results.columns), *remarks])
        _write(directory / f"{name}.md", f"{text}\n".encode())
        _write(directory / f"{name}.png", _plot(results))
    except OSError as error:
        raise InputError(
            f"received --study_dir={directory}, which cannot be written ({error.strerror}), "
            "expected a writable directory with room; free some, and start again: the runs are "
            "kept."
        ) from error
    console.tell("\n".join(["", text_table(results.columns), *remarks, ""]))
    console.tell(f"table        {directory / name}.csv, {name}.md")
    console.tell(f"plot         {directory / name}.png")
    console.tell(f"runs         python -m trainer.compare {shlex.quote(str(directory))}")
    console.tell(
        f"TensorBoard  tensorboard --logdir {shlex.quote(str(directory))}, then "
        "http://localhost:6006/#hparams"
    )


def _plot(results: Results) -> bytes:
    plan = results.plan
    alone = plan.one_at_a_time and plan.factors
    return spread(
        results.groups,
        f"{results.split.capitalize()} accuracy",
        results.data_name,
        [combination.changed for combination in plan.combinations] if alone else (),
    )


def _write(path: Path, data: bytes) -> None:
    with atomic_file(path) as unfinished:
        unfinished.write_bytes(data)
