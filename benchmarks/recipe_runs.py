"""Runs of the trainer with recipes, each kept in a directory and found again there.

A run is found again by its flags and its data, both of which are compared, not by the program's
code: after a change of that, another directory is needed.
"""

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from benchmarks.command_line import add_output_file, listed
from benchmarks.measured_process import ROOT, run_measured
from pipelines.runtime.command import define_flags, parse_config
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import Manifest, load_manifest
from trainer.comparison.runs import read_run
from trainer.config import TrainConfig
from trainer.studying.carry_out import carry_out
from trainer.studying.naming import run_name
from trainer.studying.plan import Combination, Plan, PlannedRun
from trainer.studying.states import find_states

DEFAULT = "default"
TUTORIAL_SPLIT = 42  # the seed of the tutorial's split


def add_options(parser: argparse.ArgumentParser, recipes: str) -> None:
    """Adds what every benchmark of such runs is asked: where, of what, which recipes, which seeds.

    Args:
        parser: Of the command.
        recipes: The default of --recipes.
    """
    parser.add_argument("--source", type=Path, required=True, help="a folder of class folders")
    parser.add_argument("--work_dir", type=Path, required=True, help="where sets and runs stay")
    add_output_file(parser, "--json", "where all figures are written to")
    parser.add_argument(
        "--recipes",
        type=listed(str),
        default=recipes,
        help="between commas: default, names of files in recipes/, files of flags (%(default)s)",
    )
    parser.add_argument(
        "--seeds", type=listed(int), default="0,1,2", help="of the training runs (%(default)s)"
    )


def recipe_config(recipe: str) -> TrainConfig:
    """The flags of a recipe.

    Args:
        recipe: 'default', which is the trainer's own defaults; the name of a file in recipes/; or
            the path of any file of flags, with its ending.

    Raises:
        InputError: if there is no such file, or its flags cannot be.
    """
    path = Path(recipe) if recipe.endswith(".flags") else ROOT / "recipes" / f"{recipe}.flags"
    arguments = [] if recipe == DEFAULT else [f"--flagfile={path}"]
    try:
        return parse_config(TrainConfig, define_flags(TrainConfig), [recipe, *arguments])
    except (flags.Error, InputError) as error:
        raise InputError(
            f"received the recipe {recipe} ({error}), expected {DEFAULT}, the name of a file in "
            "recipes/, or a file of flags; see to --recipes."
        ) from error


def converted(source: Path, data_dir: Path, *arguments: str) -> Manifest:
    """Makes a set of a folder; if that very set is there already, it is left as it is."""
    places = (f"--source={source}", f"--output_dir={data_dir}")
    run_measured("-m", "pipelines.make_tfrecords", *places, *arguments)
    return load_manifest(data_dir)


def trained(configs: Sequence[TrainConfig], data_dir: Path, runs_dir: Path) -> list[dict[str, Any]]:
    """What `report.json` says of each run; those that are not finished are trained before.

    Args:
        configs: Of the runs; they share a directory if they are the same.
        data_dir: The set that they are trained and judged on.
        runs_dir: Where they are, or will be, in directories named after their flags.

    Raises:
        InputError: when a run fails, or its directory has one of other flags or data.
        StoppedBySignal: after SIGINT or SIGTERM, when the run at work is saved.
    """
    # Pictures and the audit take their time, and do not change the model.
    places: dict[str, Any] = {"data_dir": str(data_dir), "pictures": False, "audit": False}
    runs: dict[str, PlannedRun] = {}
    for config in configs:
        name = run_name(config.as_json())
        here = dataclasses.replace(config, run_dir=str(runs_dir / name), **places)
        runs[name] = PlannedRun(Combination({}, name), here)
    plan = Plan(runs_dir, (), False, (), tuple(runs.values()))
    try:
        states = find_states(plan, load_manifest(data_dir).fingerprint)
    except InputError as error:  # in the words of trainer.study, whose flag it names
        raise InputError(str(error).replace("--study_dir", "--work_dir")) from error
    with contextlib.redirect_stdout(sys.stderr):
        carry_out(plan, states, keep_going=False)
    reports = {name: read_run(run.run_dir).report for name, run in runs.items()}
    return [reports[run_name(config.as_json())] or {} for config in configs]
