"""The figures of each epoch, and the files in which they can be read."""

import csv
import dataclasses
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # No window: the figure goes to a file, also where there is no screen.
from matplotlib import pyplot  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402


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
    """Mean cross-entropy and accuracy on a split, after an epoch."""

    loss: float
    accuracy: float


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


def write_csv(path: Path, history: list[EpochRecord]) -> None:
    """One row an epoch, one column a figure."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = [_flat(record) for record in history]
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_plot(path: Path, history: list[EpochRecord], title: str, eval_split: str) -> None:
    """Loss and accuracy over the epochs, of training and of the evaluated split, as a PNG."""
    epochs = [record.epoch for record in history]
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    try:
        for axis, name, label in zip(
            axes, ("loss", "accuracy"), ("Cross-entropy", "Accuracy"), strict=True
        ):
            for split, part, marker in (("training", "train", "o"), (eval_split, "eval", "s")):
                values = [getattr(getattr(record, part), name) for record in history]
                axis.plot(epochs, values, marker=marker, markersize=3, label=split)
            axis.set(xlabel="Epoch", ylabel=label)
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            axis.grid(alpha=0.3)
            axis.legend()
        figure.suptitle(title)
        figure.savefig(path, dpi=150)
    finally:
        pyplot.close(figure)


def _flat(record: EpochRecord) -> dict[str, float]:
    train = {f"train_{name}": value for name, value in dataclasses.asdict(record.train).items()}
    evaluated = {f"eval_{name}": value for name, value in dataclasses.asdict(record.eval).items()}
    return {"epoch": record.epoch, "step": record.step, **train, **evaluated}
