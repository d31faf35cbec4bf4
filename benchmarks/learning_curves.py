"""How much the recipes lose with fewer training images.

usage: python -m benchmarks.learning_curves --source=FOLDER_OF_CLASS_FOLDERS --work_dir=DIR
           [--json=FILE] [--plot=FILE.png]

Each recipe is trained by the trainer's own command on a share of the training part of the
tutorial's split, and judged on the whole test part, the same for all. Shares are drawn class by
class, another draw for each training seed, and nested: the images of a smaller share are in every
larger one. All recipes see the same draws. What the figures are: mean ± standard deviation (with
n - 1) over the seeds, in percent. A seed draws the share's images, the weights, the order and the
augmentation, but at 100 % no images: the spread is a narrower one there.

With a tenth of the images an epoch has a tenth of the steps. So that the images are what differs
and not the length of the training, a smaller share gets more epochs, as many as make the number of
steps that of the whole part, to the nearest epoch: 50 epochs of 52 steps become 520 of 5. What a
recipe does in a share of its epochs, it does in the same share of the steps. No recipe was adapted
to small sets. The learning rate of --schedule=inverse_time, the tutorial's, which follows from the
number of epochs, falls by 0.5 % in all with the whole part, and by less with smaller ones.

Runs that are finished in WORK_DIR are not trained again; one that was stopped goes on. A run is
known there by its flags and data: after a change of the code take another WORK_DIR.
"""

import argparse
import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.command_line import add_output_file, ending_in_one_line, listed
from benchmarks.image_shares import ImageShares
from benchmarks.learning_curves_plot import write_plot
from benchmarks.linked_images import image_files
from benchmarks.recipe_runs import add_options, recipe_config, trained
from benchmarks.result_table import tell
from benchmarks.spread import in_percent, spread_of
from pipelines.runtime.errors import InputError
from trainer.config import TrainConfig


def main() -> None:
    options = _options()
    with ending_in_one_line():
        configs = {recipe: recipe_config(recipe) for recipe in options.recipes}
        shares = ImageShares(options.source.resolve(), options.work_dir.resolve())
        by_share = [_points(shares, percent, configs, options.seeds) for percent in options.shares]
        points = [points[recipe] for recipe in configs for points in by_share]
    tell(
        f"% of the test images, {_summary(len(options.seeds))}",
        [_row(point, shares.smallest_class) for point in points],
        options.json,
        smallest_class=shares.smallest_class,
        points=points,
    )
    if options.plot is not None:
        write_plot(options.plot, points, shares.smallest_class)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_options(parser, recipes="default,tutorial")
    add_output_file(parser, "--plot", "where the curves are drawn, a .png")
    parser.add_argument(
        "--shares", type=listed(int, 1), default="10,25,50,100", help="in percent (%(default)s)"
    )
    options = parser.parse_args()
    if max(options.shares) > 100:
        parser.error(f"received --shares with {max(options.shares)}, expected 1 to 100.")
    if options.plot is not None and options.plot.suffix != ".png":
        parser.error(f"received --plot={options.plot}, expected a file that ends in .png.")
    options.shares.sort()
    image_files(options.source)
    return options


def _points(
    shares: ImageShares, percent: int, configs: Mapping[str, TrainConfig], seeds: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """What each recipe comes to with that share of the images."""
    reports: dict[str, list[Any]] = {recipe: [] for recipe in configs}
    for seed in seeds:
        print(f"{percent} % of the images, seed {seed}", file=sys.stderr, flush=True)
        data_dir, manifest = shares.of(percent, seed)
        images = manifest.splits["train"].num_examples
        epochs = {
            recipe: epochs_for(config, images, shares.training_images)
            for recipe, config in configs.items()
        }
        runs = [
            dataclasses.replace(config, seed=seed, epochs=epochs[recipe])
            for recipe, config in configs.items()
        ]
        found = trained(runs, data_dir, data_dir.parent / "runs")
        for recipe, report in zip(configs, found, strict=True):
            reports[recipe].append(report)
    about = {"percent": percent, "images": images}  # which are the same for all seeds
    return {
        recipe: {"recipe": recipe, **about, "epochs": epochs[recipe]}
        | _figures(reports[recipe], shares.smallest_class)
        for recipe in configs
    }


def epochs_for(config: TrainConfig, images: int, whole: int) -> int:
    """The epochs on a share of the images that come to the recipe's steps on the whole.

    Args:
        config: Of the recipe.
        images: In the share.
        whole: In the whole training part.

    Raises:
        InputError: if the share does not fill a batch.
    """
    if images < config.batch_size:
        raise InputError(
            f"received a share of {images} images, expected at least a batch of "
            f"{config.batch_size}; leave it out of --shares."
        )
    steps = config.epochs * (whole // config.batch_size)
    return max(1, round(steps / (images // config.batch_size)))


def _figures(reports: Sequence[Mapping[str, Any]], smallest_class: str) -> dict[str, Any]:
    accuracies = [report["accuracy"] for report in reports]
    recalls = [report["per_class"][smallest_class]["recall"] for report in reports]
    return {
        "accuracy": spread_of(accuracies),
        "recall": spread_of(recalls),
        "accuracies": accuracies,
        "recalls": recalls,
    }


def _summary(runs: int) -> str:
    return f"mean ± standard deviation over {runs} seeds" if runs > 1 else "one run each"


def _row(point: Mapping[str, Any], smallest_class: str) -> dict[str, Any]:
    return {
        "recipe": point["recipe"],
        "share": f"{point['percent']} %",
        "images": point["images"],
        "epochs": point["epochs"],
        "runs": point["accuracy"]["runs"],
        "accuracy": in_percent(point["accuracies"]),
        f"recall {smallest_class}": in_percent(point["recalls"]),
    }


if __name__ == "__main__":
    main()
