"""What an evaluation comes to."""

import dataclasses

import keras
import numpy as np

from trainer.history import EvalMetrics


class Interrupted(Exception):
    """An evaluation was left off, as one of the processes wanted."""


@dataclasses.dataclass(frozen=True)
class Predictions:
    """A model's answers on a split, in the order of the data.

    Attributes:
        labels: int64 (examples,), the true classes.
        predicted: int64 (examples,), the most probable classes.
        confidence: float32 (examples,), the probability of the predicted class.
        label_probability: float32 (examples,), the probability of the true class.
    """

    labels: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    label_probability: np.ndarray

    @property
    def metrics(self) -> EvalMetrics:
        """Accuracy, and mean cross-entropy with probabilities bounded below as Keras does."""
        bounded = np.maximum(self.label_probability.astype(np.float64), keras.config.epsilon())
        return EvalMetrics(
            loss=float(-np.mean(np.log(bounded))),
            accuracy=float(np.mean(self.labels == self.predicted)),
        )
