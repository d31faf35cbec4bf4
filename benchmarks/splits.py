"""How well the recipes do on other splits of the images than the tutorial's.

usage: python -m benchmarks.splits --source=FOLDER_OF_CLASS_FOLDERS --work_dir=DIR [--json=FILE]

For each split seed a quarter of the images is taken for the test, stratified, as the tutorial does
it (42 is its split). On the other three quarters every recipe is trained once for each seed, which
draws weights, order and augmentation, by the trainer's own command, and judged on that test part.

What the figures are: mean ± standard deviation (with n - 1) over all split seeds x training seeds,
in percent. The runs are not independent: those of one split share all their images; the training
parts of two splits have three quarters of their images in common, their test parts a quarter. So
the deviation says how far a single run may be from the mean, by its split and its seed together;
divided by the root of the number of runs it would be too small for an error of the mean. All
recipes see the same splits and seeds, and can be compared split by split.

What is not the same: the recipes' epochs, and so their time. Our recipes were chosen within the
training part of the tutorial's split, so that no test image of that split had a part in it; but
test images of the other splits are among those.

Runs that are finished in WORK_DIR are not trained again; one that was stopped goes on. A run is
known there by its flags and data: after a change of the code take another WORK_DIR.
"""

import argparse
import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.command_line import ending_in_one_line, listed
from benchmarks.linked_images import image_files
from benchmarks.recipe_runs import (
    TUTORIAL_SPLIT,
    add_options,
    converted,
    recipe_config,
    trained,
)
from benchmarks.result_table import markdown, tell
from benchmarks.spread import in_percent, spread_of

Reports = Mapping[int, Sequence[Mapping[str, Any]]]  # of the runs on each split, by its seed


def main() -> None:
    options = _options()
    with ending_in_one_line():
        configs = {recipe: recipe_config(recipe) for recipe in options.recipes}
        reports: dict[str, dict[int, list[Any]]] = {recipe: {} for recipe in configs}
        for split_seed in options.split_seeds:
            print(f"split {split_seed}", file=sys.stderr, flush=True)
            work = options.work_dir.resolve() / f"split-{split_seed}"
            converted(options.source.resolve(), work / "set", f"--split_seed={split_seed}")
            runs = [
                (recipe, dataclasses.replace(config, seed=seed))
                for recipe, config in configs.items()
                for seed in options.seeds
            ]
            found = trained([config for _, config in runs], work / "set", work / "runs")
            for (recipe, _), report in zip(runs, found, strict=True):
                reports[recipe].setdefault(split_seed, []).append(report)
    _tell(reports, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_options(parser, recipes="default,fast,robust,tutorial")
    parser.add_argument(
        "--split_seeds", type=listed(int), default="42,1,2,3,4", help="of the splits (%(default)s)"
    )
    options = parser.parse_args()
    image_files(options.source)
    return options


def _tell(reports: Mapping[str, Reports], options: argparse.Namespace) -> None:
    per_split = [split_row(recipe, by_split) for recipe, by_split in reports.items()]
    tell(
        f"{len(options.split_seeds)} splits x {len(options.seeds)} seeds: % of the test images, "
        "mean ± standard deviation over all runs",
        [recipe_row(recipe, by_split) for recipe, by_split in reports.items()],
        options.json,
        accuracy_by_split=per_split,
        figures={recipe: figures_of(by_split) for recipe, by_split in reports.items()},
        reports=reports,
    )
    print(
        f"\nAccuracy on each split, %: mean ± standard deviation over {len(options.seeds)} seeds"
        f"\n\n{markdown(per_split)}"
    )


def figures_of(by_split: Reports) -> dict[str, Any]:
    """The spread of each figure over all runs of a recipe, and of the accuracy on each split."""
    shares = _shares([report for reports in by_split.values() for report in reports])
    return {name: spread_of(values) for name, values in shares.items()} | {
        "accuracy_by_split": {
            seed: spread_of(_shares(reports)["accuracy"]) for seed, reports in by_split.items()
        }
    }


def recipe_row(recipe: str, by_split: Reports) -> dict[str, Any]:
    """A recipe in the table of all runs."""
    shares = _shares([report for reports in by_split.values() for report in reports])
    accuracies = shares["accuracy"]
    return {
        "recipe": recipe,
        "runs": len(accuracies),
        **{name: in_percent(values) for name, values in shares.items()},
        "lowest accuracy": 100 * min(accuracies),
        "highest": 100 * max(accuracies),
    }


def split_row(recipe: str, by_split: Reports) -> dict[str, Any]:
    """A recipe in the table of the splits."""
    columns: dict[str, Any] = {"recipe": recipe}
    for seed, reports in by_split.items():
        name = f"{seed}, the tutorial's" if seed == TUTORIAL_SPLIT else str(seed)
        columns[name] = in_percent(_shares(reports)["accuracy"])
    return columns


def _shares(reports: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Each figure's values in some runs."""
    shares = {
        "accuracy": [report["accuracy"] for report in reports],
        "macro F1": [report["macro_f1"] for report in reports],
    }
    for name in reports[0]["per_class"]:
        shares[f"recall {name}"] = [report["per_class"][name]["recall"] for report in reports]
    return shares


if __name__ == "__main__":
    main()
