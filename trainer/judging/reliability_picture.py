"""reliability.png: accuracy against confidence, and how many answers have which confidence."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MultipleLocator, PercentFormatter

from trainer.judging import drawing
from trainer.judging.calibration import Calibration, calibration_of
from trainer.judging.intervals import wilson_interval
from trainer.judging.judged import Judged
from trainer.judging.names import fitted

_WIDTH, _HEIGHT = 4.2, 5.8


def write_reliability(path: Path, judged: Judged) -> None:
    """Draws the reliability diagram of a model's answers over the histogram of their confidences.

    Raises:
        OSError: if it cannot be written.
    """
    predictions = judged.predictions
    calibration = calibration_of(predictions)
    with drawing.picture(path, _WIDTH, _HEIGHT) as figure:
        figure.set_layout_engine("constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        figure.suptitle(_title(judged, calibration), size=drawing.TITLE_SIZE)
        _draw_diagram(upper, calibration)
        _draw_histogram(lower, calibration)
        figure.legend(loc="outside lower center", ncols=2)


def _title(judged: Judged, calibration: Calibration) -> str:
    predictions = judged.predictions
    accuracy = float(np.mean(predictions.labels == predictions.predicted))
    confidence = float(np.mean(predictions.confidence))
    of = f"{judged.data_name}, {judged.split}: {len(predictions.labels):,} images"
    return (
        f"{fitted(of, (_WIDTH - 0.2) * drawing.POINTS, drawing.TITLE_SIZE)}\n"
        f"accuracy {accuracy:.1%}, mean confidence {confidence:.1%}\n"
        f"expected calibration error {calibration.error:.1%}"
    )


def _draw_diagram(axes: Axes, calibration: Calibration) -> None:
    filled = np.nonzero(calibration.counts)[0]
    centre = (calibration.edges[:-1] + calibration.edges[1:])[filled] / 2
    width = 1 / len(calibration.counts)
    accuracy, confidence = calibration.accuracy[filled], calibration.confidence[filled]
    axes.bar(centre, accuracy, width, color=drawing.BLUE, edgecolor="white", label="accuracy")
    axes.bar(
        centre,
        confidence - accuracy,
        width,
        bottom=accuracy,
        color="none",
        edgecolor=drawing.VERMILION,
        linewidth=0.6,
        hatch="/////",
        label="gap to the mean confidence",
    )
    counts = zip(calibration.right[filled], calibration.counts[filled], strict=True)
    low, high = np.array([wilson_interval(right, count) for right, count in counts]).T
    axes.vlines(
        centre, low, high, color="black", linewidth=1.0, label="95% interval of the accuracy"
    )
    axes.plot([0, 1], [0, 1], "--", color="black", linewidth=0.8, label="perfectly calibrated")
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="Accuracy in the bin")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def _draw_histogram(axes: Axes, calibration: Calibration) -> None:
    centre = (calibration.edges[:-1] + calibration.edges[1:]) / 2
    share = calibration.counts / calibration.counts.sum()
    axes.bar(centre, share, 1 / len(centre), color=drawing.BLUE, edgecolor="white")
    for count, height, place in zip(calibration.counts, share, centre, strict=True):
        if count:
            axes.annotate(
                f"{count:,}",
                (place, height),
                (0, 1.5),
                textcoords="offset points",
                ha="center",
                size=drawing.SMALL_SIZE - 0.5,
            )
    axes.set(ylim=(0, 1.15), xlabel="Confidence of the predicted class", ylabel="Images")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.xaxis.set_major_locator(MultipleLocator(0.2))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_locator(MultipleLocator(0.5))
