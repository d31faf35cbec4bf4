"""What an evaluation comes to."""

import dataclasses
import functools

import keras
import numpy as np

from trainer.history import EvalMetrics


class Interrupted(Exception):
    """An evaluation was left off, as one of the processes wanted."""


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """A model's answers on some examples, in the order of the data.

    Attributes:
        labels: int64 (examples,), the true classes.
        probabilities: float32 (examples, classes), each class's probability.
    """

    labels: np.ndarray
    probabilities: np.ndarray

    @functools.cached_property
    def predicted(self) -> np.ndarray:
        """int64 (examples,), the most probable classes."""
        return np.argmax(self.probabilities, axis=1)

    @property
    def confidence(self) -> np.ndarray:
        """float32 (examples,), the probability of the predicted class."""
        return np.max(self.probabilities, axis=1)

    @property
    def label_probability(self) -> np.ndarray:
        """float32 (examples,), the probability of the true class."""
        return np.take_along_axis(self.probabilities, self.labels[:, None], axis=1)[:, 0]

    @property
    def metrics(self) -> EvalMetrics:
        """Accuracy, recalls, and mean cross-entropy with probabilities bounded as Keras does."""
        bounded = np.maximum(self.label_probability.astype(np.float64), keras.config.epsilon())
        return EvalMetrics(
            loss=float(-np.mean(np.log(bounded))),
            accuracy=float(np.mean(self.labels == self.predicted)),
            recall=self.recall.tolist(),
        )

    @property
    def recall(self) -> np.ndarray:
        """float64 (classes,), the share of each class's examples that are right; 0 for none."""
        classes = self.probabilities.shape[1]
        support = np.bincount(self.labels, minlength=classes)
        right = np.bincount(self.labels[self.labels == self.predicted], minlength=classes)
        return right / np.maximum(support, 1)
