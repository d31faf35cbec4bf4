"""The examples that were evaluated, for those who want to look at some of them."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from pipelines.loading.decode import decode_examples
from pipelines.tfrecords.index import RecordIndex, load_index
from pipelines.tfrecords.reader import StoredExample, picked_examples
from trainer.inputs import Inputs


class Examples(Protocol):
    """Examples in the order of their `trainer.predictions.Predictions`."""

    def file_names(self, numbers: Sequence[int]) -> list[str]:
        """What the examples with these numbers are called."""

    def images(self, numbers: Sequence[int]) -> np.ndarray:
        """The examples as the model saw them, uint8 (len(numbers), size, size, 3)."""


@dataclasses.dataclass(frozen=True)
class StoredExamples:
    """The examples of a split, read again from its shards when they are asked for.

    Attributes:
        inputs: Where they are, and their size.
        split: One of the splits of `inputs.manifest`.
    """

    inputs: Inputs
    split: str

    def file_names(self, numbers: Sequence[int]) -> list[str]:
        """As the source gave them."""
        return [example.file_name for example in self._picked(numbers)]

    def images(self, numbers: Sequence[int]) -> np.ndarray:
        """See `Examples`.

        Raises:
            InputError: for a record that is damaged or cannot be read.
        """
        options = self.inputs.options
        return decode_examples(self._picked(numbers), options.image_size, options.decode_ratio)

    @functools.cached_property
    def _index(self) -> RecordIndex:
        return load_index(self.inputs.dataset, self.split)

    def _picked(self, numbers: Sequence[int]) -> list[StoredExample]:
        return picked_examples(self.inputs.dataset, self.split, numbers, self._index)
