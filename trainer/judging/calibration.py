"""Whether a model is right as often as it says: its confidence against its accuracy."""

import dataclasses

import numpy as np

from trainer.predictions import Predictions

NUM_BINS = 15


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
    """Answers by their confidence, in bins of equal width that each hold their upper edge.

    Attributes:
        edges: float64 (bins + 1,), from 0 to 1.
        counts: int64 (bins,), answers in each.
        right: int64 (bins,), how many of them are right.
        confidence: float64 (bins,), their mean confidence; NaN for none.
    """

    edges: np.ndarray
    counts: np.ndarray
    right: np.ndarray
    confidence: np.ndarray

    @property
    def accuracy(self) -> np.ndarray:
        """float64 (bins,), the share that is right; NaN for none."""
        with np.errstate(invalid="ignore"):
            return self.right / self.counts

    @property
    def error(self) -> float:
        """The expected calibration error: how far the two are apart, over all answers.

        NaN without any.

        C. Guo et al., "On Calibration of Modern Neural Networks" (arXiv:1706.04599), equation 3.
        """
        filled = self.counts > 0
        apart = np.abs(self.accuracy[filled] - self.confidence[filled])
        with np.errstate(invalid="ignore"):
            return float(np.sum(apart * self.counts[filled]) / np.sum(self.counts))


def calibration_of(predictions: Predictions, bins: int = NUM_BINS) -> Calibration:
    """Sorts a model's answers by their confidence; those that are no numbers are left out.

    Args:
        predictions: At least one answer.
        bins: How many.
    """
    edges = np.linspace(0, 1, bins + 1)
    is_number = np.isfinite(predictions.confidence)
    confidence = np.clip(predictions.confidence[is_number].astype(np.float64), 0, 1)
    # On the left side, so that a confidence of 1 falls into the last bin.
    places = np.maximum(np.searchsorted(edges, confidence, side="left") - 1, 0)
    counts = np.bincount(places, minlength=bins)
    is_right = (predictions.labels == predictions.predicted)[is_number]
    right = np.bincount(places[is_right], minlength=bins)
    sums = np.bincount(places, confidence, minlength=bins)
    with np.errstate(invalid="ignore"):
        return Calibration(edges, counts, right, sums / counts)
