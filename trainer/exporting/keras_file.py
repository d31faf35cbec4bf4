"""A .keras file, which Keras loads without any code of this project."""

import zipfile
from pathlib import Path

import keras
import numpy as np

from trainer.exporting.card import CARD_NAME, card_json
from trainer.model_description import ModelDescription


def write_keras_file(model: keras.Model, description: ModelDescription, path: Path) -> None:
    """Writes `path`, a ZIP archive to which the class names are added as a member of their own.

    Args:
        model: In float32.
        description: Its classes and images.
        path: Ends in .keras.
    """
    model.save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(CARD_NAME, card_json(description))


class KerasRunner:
    """Asks a .keras file as plain Keras does.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._model = keras.models.load_model(path, compile=False, safe_mode=True)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """See `trainer.exporting.written.Runner`."""
        return self._model.predict_on_batch(images)
