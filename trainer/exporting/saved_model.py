"""A SavedModel, which TensorFlow and TensorFlow Serving load without any code of this project."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from trainer.exporting.card import CARD_NAME, card_json
from trainer.exporting.graph import Graph
from trainer.model_description import ModelDescription


def write_saved_model(model: keras.Model, description: ModelDescription, path: Path) -> None:
    """Writes the directory `path`.

    Args:
        model: In float32.
        description: Its classes and images.
        path: New, or an empty directory.
    """
    graph = Graph(model, description)
    signatures = {
        "serving_default": graph.probabilities,
        "encoded_images": graph.encoded_images,
        "class_names": graph.class_names,
    }
    tf.saved_model.save(graph, str(path), signatures)
    # Where TensorFlow Serving expects files that the graph does not read.
    extra = path / "assets.extra"
    extra.mkdir()
    (extra / CARD_NAME).write_text(card_json(description), encoding="utf-8")


class SavedModelRunner:
    """Asks a SavedModel as plain TensorFlow does.

    Args:
        path: The directory.
    """

    def __init__(self, path: Path) -> None:
        self._loaded = tf.saved_model.load(str(path))

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """See `trainer.exporting.written.Runner`."""
        answer = self._loaded.signatures["serving_default"](images=tf.constant(images))
        return answer["probabilities"].numpy()

    def encoded_images(self, encoded: list[bytes]) -> dict[str, np.ndarray]:
        """The answer to files of images, see `trainer.exporting.graph.Graph`."""
        answer = self._loaded.signatures["encoded_images"](encoded=tf.constant(encoded))
        return {name: value.numpy() for name, value in answer.items()}

    def class_names(self) -> tuple[str, ...]:
        """In the order of the outputs."""
        names = self._loaded.signatures["class_names"]()["class_names"].numpy()
        return tuple(name.decode() for name in names)
