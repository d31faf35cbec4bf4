"""How a model's weights, and its layers' outputs on some images, are distributed."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from trainer.trained_model import as_input


class Histograms:
    """What histograms are made of, for one model, again and again.

    Args:
        model: The model.
        images: uint8 (n, height, width, 3), on which its layers are looked at.
    """

    def __init__(self, model: keras.Model, images: np.ndarray) -> None:
        self._images = tf.constant(as_input(images))
        self._model = model
        self._layers = [layer.name for layer in model.layers]
        outputs: Sequence = [layer.output for layer in model.layers]
        self._outputs = tf.function(keras.Model(model.inputs, outputs), autograph=False)

    def values(self) -> dict[str, np.ndarray]:
        """Tag -> values, of the model's present weights."""
        weights = {f"weights/{v.path}": v.numpy() for v in self._model.variables}
        outputs = self._outputs(self._images, training=False)
        return {
            **{tag: v for tag, v in weights.items() if np.issubdtype(v.dtype, np.floating)},
            **{
                f"outputs/{name}": tf.cast(output, tf.float32).numpy()
                for name, output in zip(self._layers, outputs, strict=True)
            },
        }
