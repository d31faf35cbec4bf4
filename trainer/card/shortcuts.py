"""The shortcut audit of a run's data, at a cost that does not grow with them."""

from typing import Any

import numpy as np

from pipelines.runtime.machine import threads
from pipelines.tfrecords.index import load_index
from pipelines.tfrecords.manifest import ShardedDataset
from pipelines.tfrecords.reader import picked_examples

MOST_IMAGES = 2_000  # of a split: a second or two of reading and of fits, if images are small
_FEW = 5  # of each class, or a rare one would not be seen at all
_TOGETHER = 64  # encoded images that are in memory at the same time


def audit_sample(dataset: ShardedDataset, most: int = MOST_IMAGES) -> dict[str, Any]:
    """What `pipelines.inspection.audit.audit_shortcuts` finds in some of the images.

    Args:
        dataset: The run's.
        most: Of each split, how many images are looked at.

    Raises:
        InputError: for a record that is damaged or cannot be read.
    """
    # Here, since it brings what only this needs.
    from pipelines.inspection.audit import TraitCollector, audit_shortcuts, traits_of

    collected = TraitCollector(dataset.manifest)
    with threads() as pool:
        for split, traits in collected.traits.items():
            index = load_index(dataset, split)
            numbers = _drawn(index.labels, most)
            for first in range(0, len(numbers), _TOGETHER):
                piece = numbers[first : first + _TOGETHER]
                examples = picked_examples(dataset, split, piece, index)
                traits += pool.map(traits_of, examples)
    return audit_shortcuts(dataset.manifest, collected)


def _drawn(labels: np.ndarray, most: int) -> list[int]:
    """Numbers of examples at random, but a few of each class first."""
    order = np.random.default_rng(0).permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    counts = np.bincount(labels)
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    few = by_class[rank < _FEW]
    others = order[~np.isin(order, few)]
    return np.sort(np.concatenate([few, others])[:most]).tolist()
