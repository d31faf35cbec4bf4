"""The run's result in words and numbers: `report.txt` and `report.json`."""

import dataclasses
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import metrics

from pipelines.runtime.files import atomic_file
from pipelines.tfrecords.manifest import SPLITS
from trainer.judging.calibration import calibration_of
from trainer.judging.intervals import wilson_interval
from trainer.judging.judged import Judged
from trainer.run_files import REPORT_JSON, REPORT_TEXT


@dataclasses.dataclass(frozen=True)
class TrainingFigures:
    """What it took to train a model.

    Attributes:
        train_seconds: Wall time of all epochs with their evaluations.
        images_per_second: Training images over the time spent in training steps.
        input_wait_fraction: Share of that time spent waiting for input, in [0, 1].
        kept_epoch: Of `--keep_best`, whose weights are the model's.
    """

    train_seconds: float
    images_per_second: float
    input_wait_fraction: float
    kept_epoch: int | None = None


@dataclasses.dataclass(frozen=True)
class Report:
    """How well a model does on some examples, and what it took to train it where that is known.

    Attributes:
        text: scikit-learn's classification report under a line that names data and split.
        values: The figures as `report.json` holds them.
    """

    text: str
    values: dict[str, Any]

    def write(self, directory: Path) -> None:
        """Writes `report.txt` and, last, `report.json`: a run directory with it is finished.

        Raises:
            OSError: if they cannot be written.
        """
        with atomic_file(directory / REPORT_TEXT) as path:
            path.write_text(self.text + "\n", encoding="utf-8")
        text = json.dumps(self.values, indent=2, ensure_ascii=False)
        with atomic_file(directory / REPORT_JSON) as path:
            path.write_text(text + "\n", encoding="utf-8")


def make_report(judged: Judged, training: TrainingFigures | None = None) -> Report:
    """Compares a model's answers with the truth.

    Args:
        judged: The answers. Of a class without examples nothing is known: it is named apart from
            the others, and does not count in the averages.
        training: What it took to train the model, where that is known.
    """
    labels, predicted = judged.predictions.labels, judged.predictions.predicted
    present, absent = _present_and_absent(judged)
    table = metrics.classification_report(
        labels,
        predicted,
        labels=present,
        target_names=[judged.class_names[label] for label in present],
        digits=4,
        zero_division=0,
    )
    values = _values(judged, present, absent)
    if training is not None:
        known = dataclasses.asdict(training)
        values |= {name: value for name, value in known.items() if value is not None}
    parts = [_head(judged, values, training), table.rstrip()]
    if absent:
        told = ", ".join(f"{name} (predicted {count} times)" for name, count in absent.items())
        parts.append(f"without examples, and in no average: {told}")
    return Report("\n\n".join(parts), values)


def _values(judged: Judged, present: list[int], absent: Iterable[str]) -> dict[str, Any]:
    """What `report.json` says of the answers."""
    labels, predicted = judged.predictions.labels, judged.predictions.predicted
    right = np.bincount(labels[labels == predicted], minlength=len(judged.class_names))
    calibration_error = calibration_of(judged.predictions).error
    per_class = _per_class(judged, present, right)
    macro_f1 = float(np.mean([figures["f1"] for figures in per_class.values()]))
    unknown = dict.fromkeys(("precision", "recall", "recall_interval", "f1"))
    per_class |= {name: {**unknown, "support": 0} for name in absent}
    return {
        "split": judged.split,
        "examples": len(labels),
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        "accuracy_interval": list(wilson_interval(right.sum(), len(labels))),
        # JSON has no NaN, which is what a model gives whose confidence is no number.
        "calibration_error": None if math.isnan(calibration_error) else calibration_error,
        "macro_f1": macro_f1,
        "per_class": per_class,
    }


def _per_class(judged: Judged, present: list[int], right: np.ndarray) -> dict[str, dict[str, Any]]:
    """The figures of the classes that there are examples of; `right` is counted by label."""
    columns = metrics.precision_recall_fscore_support(
        judged.predictions.labels, judged.predictions.predicted, labels=present, zero_division=0
    )
    return {
        judged.class_names[label]: {
            "precision": float(precision),
            "recall": float(recall),
            "recall_interval": list(wilson_interval(right[label], support)),
            "f1": float(f1),
            "support": int(support),
        }
        for label, precision, recall, f1, support in zip(present, *columns, strict=True)
    }


def _head(judged: Judged, values: dict[str, Any], training: TrainingFigures | None) -> str:
    """The line above the table."""
    what = f"{judged.split} split" if judged.split in SPLITS else judged.split
    low, high = values["accuracy_interval"]
    head = (
        f"{judged.data_name}, {what}: {values['accuracy']:.2%} of {values['examples']} right "
        f"({len(judged.wrong)} wrong), {low:.2%} to {high:.2%} at 95% confidence"
    )
    if training is None:
        return head
    head += (
        f"; trained in {training.train_seconds:.0f} s at {training.images_per_second:.0f} images/s"
    )
    if training.kept_epoch is not None:
        head += f"; epoch {training.kept_epoch} was kept, the best on the validation split"
    return head


def _present_and_absent(judged: Judged) -> tuple[list[int], dict[str, int]]:
    """The labels that there are examples of, and the names of the others with their predictions."""
    count = len(judged.class_names)
    supports = np.bincount(judged.predictions.labels, minlength=count)
    predicted = np.bincount(judged.predictions.predicted, minlength=count)
    absent = {
        name: int(predicted[label])
        for label, name in enumerate(judged.class_names)
        if not supports[label]
    }
    return np.flatnonzero(supports).tolist(), absent
