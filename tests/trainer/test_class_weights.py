"""Balanced weights, as scikit-learn has them."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from pipelines.runtime.errors import InputError
from trainer.class_weights import balanced_class_weights


def test_equal_scikit_learns():
    labels = np.repeat([0, 1, 2], [50, 200, 9])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(balanced_class_weights((50, 200, 9)), expected)


def test_a_class_without_examples_is_refused():
    with pytest.raises(InputError, match="--class_weights=balanced for classes with 3, 0 training"):
        balanced_class_weights((3, 0))
