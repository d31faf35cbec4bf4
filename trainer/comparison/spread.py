"""A figure of several combinations: a point for each run, their mean and how far they spread."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from trainer.comparison.curves import saved
from trainer.comparison.groups import Group, mean, standard_deviation

_ROW_INCHES = 0.36
_OFFSET = 0.17  # of the outermost points from the middle of their row


def spread(
    groups: Sequence[Group],
    xlabel: str,
    title: str,
    sections: Sequence[str | None] = (),
    file_format: str = "png",
) -> bytes:
    """Accuracy on the evaluated split, a row for each group, the first on top.

    Args:
        groups: The runs of each combination.
        xlabel: What the figures are.
        title: Of the figure.
        sections: One a group, if given: a line is drawn between groups of different ones, and one
            down from the mean of the first group, with which the others are to be compared.
        file_format: 'png', 'pdf' or 'svg'.
    """
    figure = Figure(figsize=(7.5, 1.5 + _ROW_INCHES * len(groups)), layout="constrained")
    axis = figure.subplots()
    for row, group in enumerate(groups):
        _draw(axis, group, row)
    axis.set_yticks(range(len(groups)), [group.label for group in groups])
    axis.set_ylim(len(groups) - 0.5, -0.5)
    axis.xaxis.set_major_locator(MaxNLocator(6))
    axis.xaxis.set_major_formatter(PercentFormatter(1))
    axis.tick_params(labelsize=9)
    axis.grid(axis="x", alpha=0.3)
    axis.set(xlabel=xlabel, title=title)
    _draw_sections(axis, groups, sections)
    handles, labels = axis.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(
        unique.values(), unique.keys(), loc="outside lower center", ncols=len(unique), fontsize=8
    )
    return saved(figure, file_format)


def _draw(axis: Any, group: Group, row: int) -> None:
    values = group.accuracies
    if not values:
        axis.text(0.5, row, "no finished run", va="center", transform=axis.get_yaxis_transform())
        return
    deviation = standard_deviation(values)
    axis.errorbar(
        [mean(values)],
        [row],
        xerr=None if deviation is None else [deviation],
        fmt="D",
        color="black",
        markersize=5,
        capsize=4,
        zorder=3,
        label="mean" if deviation is None else "mean and standard deviation",
    )
    steps = max(len(values) - 1, 1)
    rows = [row - _OFFSET + 2 * _OFFSET * number / steps for number in range(len(values))]
    if len(values) > 1:
        axis.scatter(values, rows, s=22, color="C0", alpha=0.8, zorder=4, label="one seed")


def _draw_sections(axis: Any, groups: Sequence[Group], sections: Sequence[str | None]) -> None:
    for row in range(1, len(sections)):
        if sections[row] != sections[row - 1]:
            axis.axhline(row - 0.5, color="grey", linewidth=0.6)
    baseline = mean(groups[0].accuracies) if sections else None
    if baseline is not None:
        axis.axvline(baseline, color="grey", linestyle="--", linewidth=0.9, zorder=1)
