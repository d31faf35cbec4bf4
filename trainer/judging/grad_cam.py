"""Grad-CAM: where in an image a model finds what speaks for a class.

R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization" (arXiv:1610.02391), equations 1 and 2.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from trainer.trained_model import as_input

_CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)
# What comes out of these has no place of its own, or a coarser one than what went in.
_PASSED_OVER = (
    layers.AveragePooling2D,
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
    layers.MaxPooling2D,
    layers.Reshape,
    layers.ZeroPadding2D,
)


class _Call(NamedTuple):
    """What a layer was given and gave."""

    layer: layers.Layer
    given: Any
    gave: Any


def activation_maps(
    model: keras.Model, images: np.ndarray, classes: np.ndarray
) -> np.ndarray | None:
    """How much each place of the last convolutional activation speaks for a class.

    Args:
        model: From images in [0, 1] to class probabilities.
        images: uint8 (n, size, size, 3).
        classes: int (n,), for each image the class that is asked about.

    Returns:
        float32 (n, height, width) in [0, 1], 1 being the largest value of each image, and all 0
        where nothing speaks for the class. None for a model without a convolution.
    """
    inputs = tf.constant(as_input(images))
    with tf.GradientTape() as tape, _calls_of(model) as calls:
        probabilities = model(inputs, training=False)
        activation = _last_activation(calls)
        if activation is None:
            return None
        scores = ops.cast(_scores(calls[-1], probabilities), "float32")
        asked = tf.reduce_sum(tf.gather(scores, tf.constant(classes), axis=1, batch_dims=1))
    gradient = np.asarray(ops.cast(tape.gradient(asked, activation), "float32"))
    values = np.asarray(ops.cast(activation, "float32"))
    if keras.config.image_data_format() == "channels_first":
        gradient, values = (np.moveaxis(array, 1, -1) for array in (gradient, values))
    weights = gradient.mean(axis=(1, 2), keepdims=True)
    maps = np.maximum((weights * values).sum(axis=-1), 0)
    largest = maps.max(axis=(1, 2), keepdims=True)
    return np.divide(maps, largest, out=np.zeros_like(maps), where=largest > 0)


@contextlib.contextmanager
def _calls_of(model: keras.Model) -> Iterator[list[_Call]]:
    """Notes what each layer is given and gives, in the order in which they are called.

    So that it does not matter how the layers are put together, in one model or in several.
    """
    calls: list[_Call] = []

    def noting(layer: layers.Layer) -> Any:
        call = layer.call

        def noted(given: Any, *arguments: Any, **keywords: Any) -> Any:
            gave = call(given, *arguments, **keywords)
            calls.append(_Call(layer, given, gave))
            return gave

        return noted

    noted_layers = list(dict.fromkeys(_layers_of(model)))
    try:
        for layer in noted_layers:
            layer.call = noting(layer)
        yield calls
    finally:
        for layer in noted_layers:
            with contextlib.suppress(AttributeError):
                del layer.call


def _layers_of(model: keras.Model) -> Iterator[layers.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers_of(layer)
        else:
            yield layer


def _last_activation(calls: list[_Call]) -> Any:
    """The last output, from the first convolution on, that still has places."""
    found, has_convolution = None, False
    for layer, _, gave in calls:
        has_convolution |= isinstance(layer, _CONVOLUTIONS)
        if not has_convolution or isinstance(layer, _PASSED_OVER):
            continue
        shape = getattr(gave, "shape", ())
        first = 2 if keras.config.image_data_format() == "channels_first" else 1
        if len(shape) == 4 and max(shape[first : first + 2]) > 1:
            found = gave
    return found


def _scores(last: _Call, probabilities: Any) -> Any:
    """What the softmax was given, whose slopes do not vanish where the model is sure."""
    layer = last.layer
    activation = getattr(layer, "activation", None)
    is_softmax = activation is keras.activations.softmax
    if isinstance(layer, layers.Softmax) or (isinstance(layer, layers.Activation) and is_softmax):
        return last.given
    if isinstance(layer, layers.Dense) and is_softmax:
        given, kernel = ops.cast(last.given, "float32"), ops.cast(layer.kernel, "float32")
        return ops.matmul(given, kernel)  # what a bias adds has no slope
    return ops.log(ops.maximum(ops.cast(probabilities, "float32"), keras.config.epsilon()))
