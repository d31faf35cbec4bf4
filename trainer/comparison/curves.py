"""The curves of several runs in one figure."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, PercentFormatter, StrMethodFormatter

from trainer.comparison.groups import Group

DOTS_PER_INCH = 200
_ENTRY_INCHES = 0.19  # of the legend
_MARKERS = "osD^vPX<>*"


def curves(groups: Sequence[Group], title: str, file_format: str = "png") -> bytes:
    """Accuracy and loss on the evaluated split over the epochs, a colour for each group.

    Args:
        groups: A line is drawn for each of their runs, and an entry of the legend for each group.
        title: Of the figure.
        file_format: 'png', 'pdf' or 'svg'.
    """
    columns = _columns([group.label for group in groups])
    legend_inches = _ENTRY_INCHES * -(-len(groups) // columns)
    figure = Figure(figsize=(9, 3.9 + legend_inches), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, name in zip(axes, ("accuracy", "loss"), strict=True):
        for number, group in enumerate(groups):
            _draw(axis, group, name, style_of(number, len(groups)))
        axis.set(xlabel="Epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
    axes[0].set(ylabel="Accuracy")
    axes[0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    # Late epochs differ by little of what the first ones lose.
    axes[1].set(ylabel="Cross-entropy", yscale="log")
    axes[1].yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axes[1].yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes[1].yaxis.set_minor_formatter(StrMethodFormatter("{x:g}"))
    figure.suptitle(title)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8)
    return saved(figure, file_format)


def style_of(number: int, total: int) -> dict[str, Any]:
    """Colour and marker of one of several things; the markers tell them apart without colours."""
    few = total <= 10
    colours = matplotlib.colormaps["tab10" if few else "turbo"]
    return {
        "color": colours(number) if few else colours(0.05 + 0.9 * number / (total - 1)),
        "marker": _MARKERS[number % len(_MARKERS)],
    }


def saved(figure: Figure, file_format: str) -> bytes:
    """The figure as a file."""
    stream = io.BytesIO()
    figure.savefig(stream, dpi=DOTS_PER_INCH, format=file_format)
    return stream.getvalue()


def _draw(axis: Any, group: Group, name: str, style: dict[str, Any]) -> None:
    several = len(group.runs) > 1
    for number, run in enumerate(group.runs):
        axis.plot(
            [epoch.epoch for epoch in run.epochs],
            [getattr(epoch, name) for epoch in run.epochs],
            **style,
            markersize=3,
            linewidth=0.9 if several else 1.4,
            alpha=0.75 if several else 1.0,
            label=f"{group.label}{f' ({len(group.runs)} runs)' * several}" if not number else None,
        )


def _columns(labels: Sequence[str]) -> int:
    widest = max(map(len, labels), default=1)
    return max(1, min(len(labels), 120 // (widest + 17)))
