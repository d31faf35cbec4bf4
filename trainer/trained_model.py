"""The model that a run leaves behind, saved and loaded with what one has to know to use it."""

import dataclasses
import functools
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from pipelines.loading.decode import CHANNELS
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import atomic_file
from trainer.model_description import (
    DESCRIPTION_NAME,
    MODEL_NAME,
    ModelDescription,
    load_description,
    sha256_of,
    write_description,
)


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """A model with all that is needed to ask it.

    Attributes:
        run_dir: The run directory that it is from.
        model: From images to class probabilities.
        description: Its classes, its images, its data.
    """

    run_dir: Path
    model: keras.Model
    description: ModelDescription

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the model's outputs."""
        return self.description.class_names

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Each class's probability, float32 (batch, classes).

        Args:
            images: uint8 (batch, size, size, 3), as `decode_and_resize` gives them.
        """
        return self._graph(images).numpy()

    @functools.cached_property
    def _graph(self) -> tf.types.experimental.PolymorphicFunction:
        # As a graph, as in training: op by op it takes twice as long, and in bfloat16 it rounds
        # otherwise, to probabilities that differ by as much as 0.004.
        size = self.description.image_size
        channels_first = keras.config.image_data_format() == "channels_first"

        def answer(images: tf.Tensor) -> tf.Tensor:
            scaled = tf.cast(images, tf.float32) / 255.0
            if channels_first:
                scaled = tf.transpose(scaled, [0, 3, 1, 2])
            return tf.cast(self.model(scaled, training=False), tf.float32)

        signature = [tf.TensorSpec([None, size, size, CHANNELS], tf.uint8)]
        return tf.function(answer, input_signature=signature, autograph=False)


def as_input(images: np.ndarray) -> np.ndarray:
    """Images as models take them: float32 in [0, 1], channels where Keras has them.

    Args:
        images: uint8 (batch, size, size, 3).
    """
    scaled = np.asarray(images, np.float32) / np.float32(255)
    if keras.config.image_data_format() == "channels_first":
        scaled = np.moveaxis(scaled, -1, 1)
    return scaled


def save_trained_model(run_dir: Path, model: keras.Model, description: ModelDescription) -> None:
    """Writes `model.keras` and `model.json`; Keras itself would write over what is there.

    Args:
        run_dir: The run directory.
        model: From images to class probabilities.
        description: Of the model; its `sha256` is filled in.

    Raises:
        OSError: if they cannot be written.
    """
    with atomic_file(run_dir / MODEL_NAME) as path:
        model.save(path)
        sha256 = sha256_of(path)
    write_description(run_dir, dataclasses.replace(description, sha256=sha256))


def load_trained_model(run_dir: Path) -> TrainedModel:
    """The model that a run left behind.

    Raises:
        InputError: as for `load_description`; or if Keras cannot load the file, or refuses to
            because it would run code of the file's own (a Lambda layer).
    """
    description = load_description(run_dir)
    try:
        model = keras.models.load_model(run_dir / MODEL_NAME, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever the file leads it to
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"received {run_dir / MODEL_NAME}, which Keras does not load ({reason[:200]}), "
            "expected a model of Keras' own layers, without Lambda layers; train again."
        ) from error
    outputs = model.output_shape[-1]
    if outputs != len(description.class_names):
        raise InputError(
            f"received {run_dir / MODEL_NAME} with {outputs} outputs, expected "
            f"{len(description.class_names)} for the classes of {DESCRIPTION_NAME}; train again."
        )
    return TrainedModel(run_dir, model, description)
