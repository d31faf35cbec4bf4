"""A .tflite file for LiteRT, the former TensorFlow Lite."""

import zipfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from trainer.exporting.card import CARD_NAME, card_json
from trainer.exporting.graph import Graph
from trainer.model_description import ModelDescription

LABELS_NAME = "labels.txt"


def write_litert(model: keras.Model, description: ModelDescription, path: Path) -> None:
    """Writes `path`, whose batch has any size, with the class names in a ZIP archive at its end.

    That is how TensorFlow Lite's metadata attach files: interpreters do not look beyond the model,
    and `unzip` finds what is there. Only LiteRT's own operations are allowed: those that would ask
    for TensorFlow's kernels beside it ("Flex") are an error here and not on the user's device.

    Args:
        model: In float32.
        description: Its classes and images.
        path: Ends in .tflite.
    """
    graph = Graph(model, description)
    function = graph.probabilities.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], graph)
    path.write_bytes(converter.convert())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(LABELS_NAME, "\n".join(description.class_names) + "\n")
        archive.writestr(CARD_NAME, card_json(description))


class LiteRTRunner:
    """Asks a .tflite file as LiteRT does.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._run = Interpreter(model_path=str(path)).get_signature_runner("serving_default")

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """See `trainer.exporting.written.Runner`."""
        return self._run(images=images)["probabilities"]
