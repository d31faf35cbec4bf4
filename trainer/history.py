"""The figures of each epoch, and the files in which they can be read."""

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from pipelines.runtime.files import atomic_file
from trainer.judging import drawing
from trainer.judging.names import fitted


@dataclasses.dataclass(frozen=True)
class TrainMetrics:
    """One training epoch.

    Attributes:
        loss: Mean cross-entropy of the epoch's batches, each before its step; without L2.
        accuracy: Share of examples classified right, likewise.
        gradient_norm: Mean over the steps of the norm of the batch's gradient over all weights,
            before any clipping.
        images_per_second: Training images over wall time.
        input_wait_fraction: Share of the time in which the step waited for its batch, in [0, 1].
        learning_rate: After the last step.
    """

    loss: float
    accuracy: float
    gradient_norm: float
    images_per_second: float
    input_wait_fraction: float
    learning_rate: float


@dataclasses.dataclass(frozen=True)
class EvalMetrics:
    """How well the model does on a split, after an epoch.

    Attributes:
        loss: Mean cross-entropy.
        accuracy: Share of examples classified right.
        recall: The same of the examples of each class, in label order; 0 for a class without any.
    """

    loss: float
    accuracy: float
    recall: list[float]


@dataclasses.dataclass(frozen=True)
class EpochRecord:
    """What an epoch came to.

    Attributes:
        epoch: Counted from 1.
        step: Steps taken since the start of the run.
        train: Of the training batches.
        eval: Of the evaluated split, after the epoch.
    """

    epoch: int
    step: int
    train: TrainMetrics
    eval: EvalMetrics

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "EpochRecord":
        """The record that `dataclasses.asdict` made `values` of."""
        return cls(
            values["epoch"],
            values["step"],
            TrainMetrics(**values["train"]),
            EvalMetrics(**values["eval"]),
        )

    def __str__(self) -> str:
        return (
            f"loss {self.train.loss:.4f}  accuracy {self.train.accuracy:.4f}  |  "
            f"evaluated: loss {self.eval.loss:.4f}  accuracy {self.eval.accuracy:.4f}  |  "
            f"{self.train.images_per_second:.0f} images/s  "
            f"waiting for input {self.train.input_wait_fraction:.0%}"
        )


def write_csv(path: Path, history: list[EpochRecord], class_names: Sequence[str]) -> None:
    """One row an epoch, one column a figure; the recall of each class has a column of its own."""
    with (
        atomic_file(path) as unfinished,
        unfinished.open("w", newline="", encoding="utf-8") as file,
    ):
        rows = [_flat(record, class_names) for record in history]
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_plot(
    path: Path, history: list[EpochRecord], title: str, eval_split: str, kept_epoch: int | None
) -> None:
    """Loss and accuracy over the epochs, of training and of the evaluated split, as a PNG.

    Args:
        path: Of the file, which is whole or not there.
        history: Of at least one epoch.
        title: What was trained on what.
        eval_split: What the split evaluated after each epoch is called.
        kept_epoch: Of `--keep_best`, to be marked.

    Raises:
        OSError: if it cannot be written.
    """
    with drawing.picture(path, drawing.PAGE_WIDTH, 3.0) as figure:
        figure.set_layout_engine("constrained")
        room = (drawing.PAGE_WIDTH - 0.2) * drawing.POINTS
        title = fitted(title, room, drawing.TITLE_SIZE)
        figure.suptitle(title, size=drawing.TITLE_SIZE)
        for axes, name, label in zip(
            figure.subplots(1, 2), ("loss", "accuracy"), ("Cross-entropy", "Accuracy"), strict=True
        ):
            _draw_curves(axes, history, name, eval_split)
            axes.set(xlabel="Epoch", ylabel=label)
            if kept_epoch is not None:
                label = f"kept: epoch {kept_epoch}"
                axes.axvline(kept_epoch, color="black", linewidth=0.9, linestyle=":", label=label)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        axes.yaxis.set_major_formatter(PercentFormatter(1))


def _draw_curves(axes: Axes, history: list[EpochRecord], name: str, eval_split: str) -> None:
    epochs = [record.epoch for record in history]
    size = 3 if len(epochs) <= 40 else 0
    for label, part, marker, colour in (
        ("training, during the epoch", "train", "o", drawing.BLUE),
        (f"{eval_split}, after it", "eval", "s", drawing.VERMILION),
    ):
        values = [getattr(getattr(record, part), name) for record in history]
        axes.plot(epochs, values, marker=marker, markersize=size, color=colour, label=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(True)


def _flat(record: EpochRecord, class_names: Sequence[str]) -> dict[str, float]:
    train = {f"train_{name}": value for name, value in dataclasses.asdict(record.train).items()}
    evaluated = dataclasses.asdict(record.eval)
    recalls = dict(zip(class_names, evaluated.pop("recall"), strict=True))
    return {
        "epoch": record.epoch,
        "step": record.step,
        **train,
        **{f"eval_{name}": value for name, value in evaluated.items()},
        **{f"eval_recall_{name}": value for name, value in recalls.items()},
    }
