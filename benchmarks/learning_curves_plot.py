"""The picture of the learning curves, in the style of a run's own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.ticker import NullLocator, PercentFormatter

from trainer.judging import drawing

# The two of the house, and more of Okabe and Ito's.
_COLOURS = (drawing.VERMILION, drawing.BLUE, "#009E73", "#CC79A7")
_MARKERS = "osD^"
_APART = 0.012  # of the middle, in shares of it, so that bars do not hide each other


def write_plot(path: Path, points: Sequence[Mapping[str, Any]], smallest_class: str) -> None:
    """Accuracy, and the smallest class's recall, over the number of training images, as a PNG.

    Args:
        path: Of the file, which is whole or not there.
        points: With 'recipe', 'percent', 'images', and 'accuracy' and 'recall' as `spread_of`
            gives them.
        smallest_class: Whose recall it is.

    Raises:
        OSError: if it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with drawing.picture(path, drawing.PAGE_WIDTH, 3.0) as figure:
        figure.set_layout_engine("constrained")
        labels = {"accuracy": "Test accuracy", "recall": f"Test recall, {smallest_class}"}
        for axes, (figure_name, label) in zip(figure.subplots(1, 2), labels.items(), strict=True):
            _draw_curves(axes, points, figure_name)
            axes.set(xlabel="Training images (share of all), log scale", ylabel=label)
        runs = points[0]["accuracy"]["runs"]
        title = f"mean and standard deviation over {runs} seeds" if runs > 1 else "one run each"
        figure.legend(
            *axes.get_legend_handles_labels(), title=title, loc="outside lower center", ncols=4
        )


def _draw_curves(axes: Any, points: Sequence[Mapping[str, Any]], figure_name: str) -> None:
    recipes = list(dict.fromkeys(point["recipe"] for point in points))
    for number, recipe in enumerate(recipes):
        of_recipe = [point for point in points if point["recipe"] == recipe]
        spreads = [point[figure_name] for point in of_recipe]
        aside = 1 + _APART * (2 * number - len(recipes) + 1)
        axes.errorbar(
            [point["images"] * aside for point in of_recipe],
            [spread["mean"] for spread in spreads],
            yerr=[spread["standard_deviation"] or 0 for spread in spreads],
            color=_COLOURS[number % len(_COLOURS)],
            marker=_MARKERS[number % len(_MARKERS)],
            markersize=4,
            capsize=2.5,
            elinewidth=0.9,
            label=recipe,
        )
    ticks = {point["images"]: f"{point['images']:,}\n({point['percent']} %)" for point in points}
    axes.set_xscale("log")
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(True)
