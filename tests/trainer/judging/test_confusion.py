"""What is taken for what, and which classes are shown of many."""

import numpy as np

from tests.trainer.judging.toys import judged_of
from trainer.judging.confusion import confusion_of


def test_counts_and_rates_by_hand():
    confusion = confusion_of(judged_of([0, 0, 0, 1, 1], [0, 0, 1, 1, 0], "abc"))
    assert confusion.counts.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert confusion.support.tolist() == [3, 2, 0] and not confusion.has_others
    np.testing.assert_allclose(
        confusion.rates, [[2 / 3, 1 / 3, 0], [0.5, 0.5, 0], [np.nan] * 3], atol=1e-12
    )


def test_of_many_classes_those_are_shown_that_are_taken_for_each_other():
    # 3 and 5 most often; 0 once for 1; 2 and 4 are the largest and all right.
    labels = [3, 3, 5, 3, 0, *[2] * 9, *[4] * 8]
    predicted = [5, 5, 3, 3, 1, *[2] * 9, *[4] * 8]
    judged = judged_of(labels, predicted, "abcdef")
    two = confusion_of(judged, most=2)
    assert two.labels.tolist() == [3, 5] and two.has_others
    assert two.counts.tolist() == [[1, 2, 0], [1, 0, 0]]
    three = confusion_of(judged, most=3)
    assert three.labels.tolist() == [0, 3, 5]
    assert three.counts.tolist() == [[0, 0, 0, 1], [0, 1, 2, 0], [0, 1, 0, 0]]
    assert confusion_of(judged, most=5).labels.tolist() == [0, 1, 2, 3, 5]
    np.testing.assert_allclose(three.rates.sum(axis=1), 1)
