"""The runs that `training_peers.py` compares, each in a process of its own."""

import argparse
import csv
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.measured_process import Measured, run_measured
from benchmarks.training_course import OURS
from pipelines.runtime.command import as_flag

Figures = dict[str, float]


class Run(NamedTuple):
    """What is measured once a round."""

    name: str  # ours, keras, pytorch or pytorch_passive
    precision: str  # a Keras dtype policy


class Place(NamedTuple):
    """What the runs have in common."""

    images: Path
    data_dir: Path
    work: Path
    options: argparse.Namespace


def in_turns(runs: Sequence[Run], measure: Callable, place: Place) -> dict[Run, list[Figures]]:
    """What `measure` finds of each run in each round."""
    found: dict[Run, list[Figures]] = {run: [] for run in runs}
    rounds = place.options.rounds
    for number in range(rounds):
        first = number % len(runs)  # each round begins with another one
        for run in (*runs[first:], *runs[:first]):
            found[run].append(measure(run, place, number))
            figures = ", ".join(f"{key} {value:.4g}" for key, value in found[run][-1].items())
            told = f"round {number + 1}/{rounds}, {run.name}, {run.precision}: {figures}"
            print(told, file=sys.stderr, flush=True)
    return found


def step(run: Run, place: Place, number: int) -> Figures:
    """The mean time of a step in memory."""
    measured = _rates("step", run, place, place.images, place.data_dir, place.options.steps)
    return {"seconds": float(measured.output.split()[-1])}


def epochs(run: Run, place: Place, number: int) -> Figures:
    """What a whole training comes to, with `number` as its seed.

    All but `seconds` and `peak_mb`, which are the process's, leave out the first epoch.
    """
    if run.name == "ours":
        measured, told = _our_training(run, place, number)
    else:
        options = place.options
        measured = _rates("epochs", run, place, place.images, options.epochs, number)
        told = [tuple(map(float, line.split()[1:])) for line, _ in _epoch_lines(measured)]
    ends = [second for _, second in _epoch_lines(measured)]
    images, train_seconds, accuracies = zip(*told, strict=True)
    return {
        "images_per_second": sum(images[1:]) / sum(train_seconds[1:]),
        "epoch_seconds": (ends[-1] - ends[0]) / (len(ends) - 1),
        "seconds": measured.seconds,
        "peak_mb": measured.peak_mb,
        "accuracy": accuracies[-1],
    }


def _rates(what: str, run: Run, place: Place, *arguments: object) -> Measured:
    python = place.options.torch_python if "pytorch" in run.name else sys.executable
    command = ("-m", "benchmarks.training_rates", what, run.name, run.precision, *arguments)
    return run_measured(*command, python=python)


def _epoch_lines(measured: Measured) -> list[tuple[str, float]]:
    """The line that is printed after each epoch, and when it came."""
    lines = zip(measured.output.splitlines(), measured.line_seconds, strict=True)
    return [(line, second) for line, second in lines if line.startswith("epoch ")]


def _our_training(run: Run, place: Place, number: int) -> tuple[Measured, list[tuple]]:
    """Runs the command as a user does; returns what it measured and a row for each epoch."""
    run_dir = place.work / f"{run.precision}-{number}"
    choices = {
        "data_dir": place.data_dir,
        "run_dir": run_dir,
        "precision": run.precision,
        "epochs": place.options.epochs,
        "seed": number,
        "pictures": False,
        "audit": False,
        **OURS,
    }
    flags = [as_flag(name, value) for name, value in choices.items()]
    measured = run_measured("-m", "trainer.main", *flags)
    told = _told_by_ours(run_dir)
    shutil.rmtree(run_dir)
    return measured, told


def _told_by_ours(run_dir: Path) -> list[tuple]:
    """Images, training seconds and test accuracy of each epoch, as `training_course.tell_epoch`."""
    with (run_dir / "history.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    images = int(rows[0]["step"]) * OURS["batch_size"]
    return [
        (images, images / float(row["train_images_per_second"]), float(row["eval_accuracy"]))
        for row in rows
    ]
