"""The run's result in words and numbers: `report.txt` and `report.json`."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import metrics

from trainer.whole_file import whole_file

REPORT_JSON, REPORT_TEXT = "report.json", "report.txt"


@dataclasses.dataclass(frozen=True)
class Report:
    """How well a model does on a split, and what it took to train it.

    Attributes:
        text: scikit-learn's classification report under a line that names data and split.
        values: The figures as `report.json` holds them.
    """

    text: str
    values: dict[str, Any]

    def write(self, run_dir: Path) -> None:
        """Writes `report.txt` and, last, `report.json`: a run directory with it is finished."""
        (run_dir / REPORT_TEXT).write_text(self.text + "\n", encoding="utf-8")
        text = json.dumps(self.values, indent=2, ensure_ascii=False)
        with whole_file(run_dir / REPORT_JSON) as path:
            path.write_text(text + "\n", encoding="utf-8")


def make_report(
    labels: np.ndarray,
    predicted: np.ndarray,
    class_names: Sequence[str],
    *,
    data_name: str,
    split: str,
    train_seconds: float,
    images_per_second: float,
    input_wait_fraction: float,
) -> Report:
    """Compares predictions with the truth.

    Args:
        labels: int64 (examples,), the true classes.
        predicted: int64 (examples,), the predicted ones.
        class_names: Names in label order; a class without examples counts as 0 in the averages.
        data_name: What the data set is called, for the reader.
        split: The split that the examples are from.
        train_seconds: Wall time of all epochs with their evaluations.
        images_per_second: Training images over the time spent in training steps.
        input_wait_fraction: Share of that time spent waiting for input, in [0, 1].
    """
    all_labels = range(len(class_names))
    arguments = {"labels": list(all_labels), "zero_division": 0}
    table = metrics.classification_report(
        labels, predicted, target_names=list(class_names), digits=4, **arguments
    )
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predicted, **arguments
    )
    per_class = {
        name: {
            "precision": float(precision[label]),
            "recall": float(recall[label]),
            "f1": float(f1[label]),
            "support": int(support[label]),
        }
        for label, name in enumerate(class_names)
    }
    accuracy = float(metrics.accuracy_score(labels, predicted))
    wrong = int(np.sum(labels != predicted))
    head = (
        f"{data_name}, {split} split: {accuracy:.2%} of {len(labels)} right ({wrong} wrong); "
        f"trained in {train_seconds:.0f} s at {images_per_second:.0f} images/s"
    )
    values = {
        "split": split,
        "examples": len(labels),
        "accuracy": accuracy,
        "macro_f1": float(np.mean(f1)),
        "per_class": per_class,
        "train_seconds": train_seconds,
        "images_per_second": images_per_second,
        "input_wait_fraction": input_wait_fraction,
    }
    return Report(f"{head}\n\n{table.rstrip()}", values)
