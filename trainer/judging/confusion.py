"""Which classes are taken for which: the numbers, and of many classes the most confused ones."""

import dataclasses

import numpy as np

from trainer.judging.judged import Judged

MOST_CLASSES = 30


@dataclasses.dataclass(frozen=True, eq=False)
class Confusion:
    """A confusion matrix, or the part of it that is shown.

    Attributes:
        labels: int64 (rows,), the classes shown.
        counts: int64 (rows, columns): of the row's class, how many were taken for the column's; a
            column more than rows is that of all other classes.
        support: int64 (rows,), examples of each row.
        all_classes: How many there are.
    """

    labels: np.ndarray
    counts: np.ndarray
    support: np.ndarray
    all_classes: int

    @property
    def rates(self) -> np.ndarray:
        """float64, the counts as shares of their row's examples; NaN for a row without any."""
        with np.errstate(invalid="ignore"):
            return self.counts / self.support[:, None]

    @property
    def has_others(self) -> bool:
        """Whether the last column is that of all other classes."""
        return len(self.labels) < self.all_classes


def confusion_of(judged: Judged, most: int = MOST_CLASSES) -> Confusion:
    """Counts what is taken for what.

    Args:
        judged: The answers.
        most: Classes shown; of more, those that are taken for each other most often.
    """
    classes = len(judged.class_names)
    whole = np.zeros((classes, classes), np.int64)
    np.add.at(whole, (judged.predictions.labels, judged.predictions.predicted), 1)
    support = whole.sum(axis=1)
    labels = np.arange(classes)
    counts = whole
    if classes > most:
        labels = np.sort(_most_confused(whole, most))
        counts = whole[np.ix_(labels, labels)]
        others = support[labels] - counts.sum(axis=1)
        counts = np.column_stack([counts, others])
    return Confusion(labels, counts, support[labels], classes)


def _most_confused(whole: np.ndarray, most: int) -> np.ndarray:
    """The classes that are taken for each other most often, then the largest ones."""
    support = whole.sum(axis=1)
    both_ways = np.triu(whole + whole.T, k=1)
    first, second = np.nonzero(both_ways)
    # Of pairs that are confused equally often, that of the larger classes.
    order = np.lexsort((-support[first] - support[second], -both_ways[first, second]))
    pairs = np.column_stack([first, second])[order].ravel()
    by_size = np.argsort(-support, kind="stable")
    found = dict.fromkeys(np.concatenate([pairs, by_size]).tolist())
    return np.array(list(found)[:most])
