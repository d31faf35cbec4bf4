"""A model's answers on some examples, with all that a report or a picture of them needs."""

import dataclasses

import numpy as np

from trainer.examples import Examples
from trainer.predictions import Predictions


@dataclasses.dataclass(frozen=True, eq=False)
class Judged:
    """Answers, and what they are answers to.

    Attributes:
        predictions: The answers.
        examples: What was asked, in the same order.
        class_names: In label order.
        data_name: What the data are called, for the reader.
        split: The split that the examples are of, or another word for what they are.
    """

    predictions: Predictions
    examples: Examples
    class_names: tuple[str, ...]
    data_name: str
    split: str

    @property
    def wrong(self) -> np.ndarray:
        """int64, the numbers of the examples that are wrong, the most confident answers first."""
        predictions = self.predictions
        (numbers,) = np.nonzero(predictions.labels != predictions.predicted)
        return numbers[np.argsort(-predictions.confidence[numbers], kind="stable")]
