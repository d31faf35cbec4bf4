"""The layers that the networks are made of."""

from collections.abc import Iterable

import keras
from keras import layers

from model.choices import INITIALIZERS, NetworkChoices, check_choice


class Blocks:
    """Makes the layers of one network, which have their choices, initializer and regularizer.

    Raises:
        ValueError: for an unknown initializer.
    """

    def __init__(
        self, choices: NetworkChoices, init: str, reg: keras.regularizers.Regularizer | None
    ) -> None:
        check_choice("init", init, INITIALIZERS)
        self.choices = choices
        self._init, self._reg = init, reg

    def convolution(self, filters: int, kernel_size: int, **keywords) -> layers.Layer:
        """A two-dimensional convolution; it takes what `keras.layers.Conv2D` takes."""
        return layers.Conv2D(
            filters,
            kernel_size,
            kernel_initializer=self._init,
            kernel_regularizer=self._reg,
            **keywords,
        )

    def activation(self) -> layers.Layer:
        return layers.Activation(self.choices.activation)

    def normalized(self, filters: int, kernel_size: int, strides: int = 1) -> list[layers.Layer]:
        """A convolution that keeps the size but for its strides, normalized.

        A convolution that is normalized needs no bias: Ioffe and Szegedy, "Batch Normalization"
        (arXiv:1502.03167).
        """
        use_bias = not self.choices.batch_norm
        convolution = self.convolution(
            filters, kernel_size, strides=strides, padding="same", use_bias=use_bias
        )
        return [convolution, *batch_normalization(self.choices)]

    def convolved(self, filters: int, kernel_size: int, strides: int = 1) -> list[layers.Layer]:
        """A convolution, normalized, then activated."""
        return [*self.normalized(filters, kernel_size, strides), self.activation()]

    def hidden(self, units: int) -> list[layers.Layer]:
        """A dense layer, activated, then normalized, with dropout after it."""
        return [
            layers.Dense(units, kernel_initializer=self._init),
            self.activation(),
            *batch_normalization(self.choices, axis=-1),
            *dropout(self.choices.dense_dropout),
        ]


def batch_normalization(choices: NetworkChoices, axis: int | None = None) -> list[layers.Layer]:
    """Batch normalization, if there is any; over the channels unless `axis` is given."""
    if not choices.batch_norm:
        return []
    return [
        layers.BatchNormalization(
            axis=channel_axis() if axis is None else axis,
            momentum=choices.batch_norm_momentum,
            synchronized=choices.sync_batch_norm,
        )
    ]


def dropout(share: float) -> list[layers.Layer]:
    """Dropout, if there is any."""
    return [layers.Dropout(share)] if share else []


def softmax() -> layers.Layer:
    """In float32: float16 has too few bits for probabilities near 0 and 1, and so for the loss."""
    return layers.Activation("softmax", dtype="float32")


def strides_over(side: int) -> int:
    """Strides that halve a map, of which the larger half stays.

    Over one pixel there is no stride, with the same result: there TensorFlow 2.21's bfloat16
    gradients are uninitialised memory on CPUs. `side` is the larger of height and width in pixels.
    """
    return 2 if side > 1 else 1


def side_of(tensor: keras.KerasTensor) -> int:
    """The larger of a map's height and width in pixels."""
    _, *axes = tensor.shape
    return max(axes[1:] if channel_axis() == 1 else axes[:-1])


def max_pooling(size: int, strides: int = 2) -> layers.Layer:
    """Max pooling that halves a map; of an odd side the larger half stays, of one pixel that pixel.

    With `strides=1` the map keeps its size.
    """
    return layers.MaxPooling2D(size, strides=strides, padding="same")


def through(tensor: keras.KerasTensor, stack: Iterable[layers.Layer]) -> keras.KerasTensor:
    """What comes out of layers, one after the other."""
    for layer in stack:
        tensor = layer(tensor)
    return tensor


def image_input(width: int, height: int, depth: int, classes: int) -> keras.KerasTensor:
    """The input of a network for images; its axes follow `keras.config.image_data_format()`.

    Raises:
        ValueError: for an empty image, or fewer than two classes.
    """
    if min(width, height, depth) < 1 or classes < 2:
        raise ValueError(
            f"received width={width}, height={height}, depth={depth}, classes={classes}; expected "
            "a width, height and depth of at least 1 and at least 2 classes."
        )
    channels_first = channel_axis() == 1
    return keras.Input((depth, height, width) if channels_first else (height, width, depth))


def channel_axis() -> int:
    """Where the channels are in a batch of images."""
    return 1 if keras.config.image_data_format() == "channels_first" else -1
