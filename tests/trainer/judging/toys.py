"""Answers to judge, made of numbers."""

import numpy as np

from trainer.judging.judged import Judged
from trainer.predictions import Predictions


class ToyExamples:
    """Images of noise, with names in a row."""

    def __init__(self, names, size=16):
        self._names, self._size = names, size

    def file_names(self, numbers):
        return [self._names[number % len(self._names)] for number in numbers]

    def images(self, numbers):
        shape = (self._size, self._size, 3)
        noise = [np.random.default_rng(n).integers(0, 256, shape, np.uint8) for n in numbers]
        return np.stack(noise)


def judged_of(labels, predicted, names, confidence=0.9, files=("a.jpg",), data_name="toy"):
    """Each answer has the same confidence, or its own."""
    classes = len(names)
    confidence = np.broadcast_to(np.asarray(confidence, np.float32), len(labels))[:, None]
    others = (1 - confidence) / (classes - 1)
    probabilities = np.where(np.eye(classes, dtype=bool)[predicted], confidence, others)
    predictions = Predictions(np.array(labels), probabilities.astype(np.float32))
    return Judged(predictions, ToyExamples(files), tuple(names), data_name, "test")
