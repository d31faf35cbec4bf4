"""What the model of a run answers to changed images, in figures."""

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from benchmarks.changed_split import ChangedSplit
from trainer.asking.asked_model import AskedModel, load_asked_model
from trainer.predictions import Predictions

BATCH_SIZE = 32  # as of trainer.evaluate


def change_figures(run_dir: Path, split: ChangedSplit) -> tuple[dict[str, dict[str, Any]], str]:
    """Evaluates the published model, in the precision in which `trainer.evaluate` does.

    Args:
        run_dir: A finished run directory.
        split: Images of the size of its model.

    Returns:
        Change -> 'accuracy', 'macro_f1' and 'recall' (class -> recall; classes without images are
        in none of them), all in [0, 1]; and what is to be said of the precision, '' for nothing.

    Raises:
        InputError: if the model cannot be used.
    """
    asked = load_asked_model(run_dir, "auto", BATCH_SIZE)
    figures = {}
    for name, versions in split.images.items():
        answers = np.concatenate([_answers(asked, images) for images in versions])
        predictions = Predictions(np.tile(split.labels, len(versions)), answers)
        figures[name] = _figures(predictions, asked.trained.class_names)
    return figures, asked.note


def _answers(asked: AskedModel, images: np.ndarray) -> np.ndarray:
    starts = range(0, len(images), BATCH_SIZE)
    return np.concatenate([asked.probabilities(images[at : at + BATCH_SIZE]) for at in starts])


def _figures(predictions: Predictions, class_names: tuple[str, ...]) -> dict[str, Any]:
    labels, predicted = predictions.labels, predictions.predicted
    present = np.unique(labels)
    return {
        "accuracy": float(np.mean(labels == predicted)),
        "macro_f1": float(
            f1_score(labels, predicted, labels=present, average="macro", zero_division=0)
        ),
        "recall": {class_names[label]: float(predictions.recall[label]) for label in present},
    }
