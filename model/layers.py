"""The layers that all networks here are made of, in one manner for a whole network."""

import dataclasses
from collections.abc import Iterable, Sequence

import keras
from keras import layers

from model.choices import ACTIVATIONS, INITIALIZERS


@dataclasses.dataclass(frozen=True)
class Blocks:
    """Makes a network's layers, which have these choices in common.

    Attributes:
        activation: One of `model.choices.ACTIVATIONS`.
        init: Initializer of the convolutions' and the hidden dense layers' kernels, one of
            `model.choices.INITIALIZERS`.
        reg: Regularizer of the convolutions' kernels, or None.
        batch_norm: Whether there is batch normalization.
        batch_norm_momentum: Share of the old value that moving statistics keep in a step, in
            [0, 1).
        sync_batch_norm: Whether batch statistics are those of the batch over all replicas.
        dense_dropout: Share of the features that are dropped before the last layer, and after each
            hidden dense layer, in [0, 1).

    Raises:
        ValueError: when made with a value that cannot be.
    """

    activation: str = "relu"
    init: str = "he_normal"
    reg: keras.regularizers.Regularizer | None = None
    batch_norm: bool = True
    batch_norm_momentum: float = 0.99
    sync_batch_norm: bool = False
    dense_dropout: float = 0.5

    def __post_init__(self) -> None:
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("init", self.init, INITIALIZERS)
        check_share("batch_norm_momentum", self.batch_norm_momentum)
        check_share("dense_dropout", self.dense_dropout)

    def convolution(self, filters: int, kernel_size: int, **keywords) -> layers.Layer:
        """A two-dimensional convolution; it takes what `keras.layers.Conv2D` takes."""
        return layers.Conv2D(
            filters,
            kernel_size,
            kernel_initializer=self.init,
            kernel_regularizer=self.reg,
            **keywords,
        )

    def activated(self) -> layers.Layer:
        """The activation."""
        return layers.Activation(self.activation)

    def normalization(self, axis: int | None = None) -> list[layers.Layer]:
        """Batch normalization, if there is any; over the channels unless `axis` is given."""
        if not self.batch_norm:
            return []
        return [
            layers.BatchNormalization(
                axis=channel_axis() if axis is None else axis,
                momentum=self.batch_norm_momentum,
                synchronized=self.sync_batch_norm,
            )
        ]

    def normalized(self, filters: int, kernel_size: int, strides: int = 1) -> list[layers.Layer]:
        """A convolution that keeps the size but for its strides, normalized.

        A convolution that is normalized needs no bias: Ioffe and Szegedy, "Batch Normalization"
        (arXiv:1502.03167).
        """
        convolution = self.convolution(
            filters, kernel_size, strides=strides, padding="same", use_bias=not self.batch_norm
        )
        return [convolution, *self.normalization()]

    def convolved(self, filters: int, kernel_size: int, strides: int = 1) -> list[layers.Layer]:
        """A convolution, normalized, then activated."""
        return [*self.normalized(filters, kernel_size, strides), self.activated()]

    def hidden(self, units: int) -> list[layers.Layer]:
        """A dense layer, activated, then normalized, with dropout after it."""
        return [
            layers.Dense(units, kernel_initializer=self.init),
            self.activated(),
            *self.normalization(axis=-1),
            *dropped(self.dense_dropout),
        ]


def dropped(share: float) -> list[layers.Layer]:
    """Dropout, if there is any."""
    return [layers.Dropout(share)] if share else []


def probabilities(classes: int) -> list[layers.Layer]:
    """From features to class probabilities, float32 whatever the dtype policy."""
    return [layers.Dense(classes), softmax()]


def softmax() -> layers.Layer:
    """In float32: float16 has too few bits for probabilities near 0 and 1, and so for the loss."""
    return layers.Activation("softmax", dtype="float32")


def strides_over(side: int) -> int:
    """Strides that halve a map, of which the larger half stays.

    Over one pixel there is no stride, with the same result: there TensorFlow 2.21's bfloat16
    gradients are uninitialised memory on CPUs.

    Args:
        side: The larger of height and width in pixels.
    """
    return 2 if side > 1 else 1


def side_of(tensor: keras.KerasTensor) -> int:
    """The larger of a map's height and width in pixels."""
    _, *axes = tensor.shape
    return max(axes[1:] if channel_axis() == 1 else axes[:-1])


def halved() -> layers.Layer:
    """2x2 max pooling; of an odd size the larger half stays, and of one pixel that pixel."""
    return layers.MaxPooling2D(2, padding="same")


def overlapping_pool(strides: int = 2) -> layers.Layer:
    """3x3 max pooling, by a half unless `strides` says otherwise."""
    return layers.MaxPooling2D(3, strides=strides, padding="same")


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


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raises a ValueError for a word that is none of `choices`."""
    if value not in choices:
        raise ValueError(f"received {name}={value!r}; expected one of {', '.join(choices)}.")


def check_positive(name: str, value: int) -> None:
    """Raises a ValueError for a number below 1."""
    if value < 1:
        raise ValueError(f"received {name}={value}; expected at least 1.")


def check_share(name: str, value: float) -> None:
    """Raises a ValueError for a number that is not in [0, 1)."""
    if not 0 <= value < 1:
        raise ValueError(f"received {name}={value}; expected at least 0 and below 1.")
