"""The expected calibration error against counting by hand."""

import numpy as np
import pytest

from trainer.judging.calibration import calibration_of
from trainer.predictions import Predictions


def predictions_of(confidence, is_right):
    """Of two classes, the first of which is always predicted."""
    confidence = np.array(confidence, np.float32)
    labels = np.where(is_right, 0, 1)
    return Predictions(labels, np.column_stack([confidence, 1 - confidence]))


def test_by_hand():
    calibration = calibration_of(predictions_of([0.95, 0.97, 0.99, 0.55], [1, 1, 0, 1]))
    # Three with a mean of 0.97, of which two are right; and one.
    assert calibration.error == pytest.approx(3 / 4 * (0.97 - 2 / 3) + 1 / 4 * (1 - 0.55), abs=1e-6)


def test_what_is_no_number_is_left_out():
    some = predictions_of([0.95, np.nan, 0.55], [1, 1, 1])
    assert calibration_of(some).counts.sum() == 2
    assert calibration_of(some).error == pytest.approx((0.05 + 0.45) / 2, abs=1e-6)


def test_against_a_loop():
    rng = np.random.default_rng(0)
    predictions = predictions_of(rng.uniform(0.5, 1, 500), rng.random(500) < 0.7)
    confidence = predictions.confidence.astype(float)
    is_right = predictions.labels == predictions.predicted
    expected = 0.0
    for number in range(15):
        inside = (confidence > number / 15) & (confidence <= (number + 1) / 15)
        if inside.any():
            gap = abs(is_right[inside].mean() - confidence[inside].mean())
            expected += inside.mean() * gap
    assert calibration_of(predictions).error == pytest.approx(expected)


def test_a_bin_holds_its_upper_edge():
    calibration = calibration_of(predictions_of([1.0, 0.5, 0.75], [1, 1, 1]), bins=4)
    assert calibration.counts.tolist() == [0, 1, 1, 1]
    assert calibration.right.tolist() == [0, 1, 1, 1]
    np.testing.assert_allclose(calibration.confidence, [np.nan, 0.5, 0.75, 1.0])


def test_is_0_where_confidence_is_accuracy():
    assert calibration_of(predictions_of([0.75] * 4, [1, 1, 1, 0])).error == 0
