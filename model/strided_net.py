"""StridedNet: a small image classifier whose strided convolutions replace pooling.

After Adrian Rosebrock, "Keras Conv2D and Convolutional Layers" (2018), which in turn follows
Springenberg et al., "Striving for Simplicity: The All Convolutional Net" (arXiv:1412.6806).
"""

import keras
from keras.layers import Activation, Conv2D, Dense, Flatten, Layer

from model.choices import INITIALIZERS, StridedNetChoices, check_choice
from model.layers import (
    batch_normalization,
    dropout,
    image_input,
    max_pooling,
    softmax,
    strides_over,
)

__all__ = ["build_strided_net"]

_PUBLISHED = StridedNetChoices()


def build_strided_net(
    width: int,
    height: int,
    depth: int,
    classes: int,
    reg: keras.regularizers.Regularizer | None = None,
    init: str = "he_normal",
    choices: StridedNetChoices = _PUBLISHED,
) -> keras.Model:
    """Builds StridedNet, untrained.

    At 96x96x3 and four classes it has 2,658,820 parameters and takes 52.3 million multiply-adds.

    Args:
        width: Width of the images in pixels, at least the stem's kernel.
        height: Height of the images, likewise.
        depth: Channels of the images.
        classes: Number of classes, at least 2.
        reg: Regularizer of the convolutions' kernels, or None.
        init: Initializer of the convolutions' and the hidden dense layer's kernels, one of
            `model.choices.INITIALIZERS`.
        choices: Everything else; the defaults give the published network.

    Returns:
        A model from float images in [0, 1], (batch, height, width, depth) or, if
        `keras.config.image_data_format()` is channels first, (batch, depth, height, width), to
        class probabilities, float32 (batch, classes) whatever the dtype policy.

    Raises:
        ValueError: for a size below the stem's kernel, fewer than two classes, or an unknown
            initializer.
    """
    check_choice("init", init, INITIALIZERS)
    _check_shape(width, height, depth, classes, choices.stem_kernel_size)
    kernel = {
        "kernel_initializer": init,
        "kernel_regularizer": reg,
        "use_bias": choices.use_bias,
    }
    # Of the first and the second convolution of each pair.
    first = {"padding": "same", "dilation_rate": choices.dilation, **kernel}
    second = {"padding": "same", **kernel}
    stride = _strides(max(width, height), choices)

    def normalized() -> list[Layer]:
        # Activated before it is normalized, as published.
        return [Activation(choices.activation), *batch_normalization(choices)]

    def pooled() -> list[Layer]:
        return [max_pooling(2)] if choices.downsampling == "max_pool" else []

    layers = [
        image_input(width, height, depth, classes),
        # The stem: large kernels see much of the image at once; as published, no activation.
        Conv2D(
            choices.stem_filters,
            choices.stem_kernel_size,
            strides=stride[0],
            padding=choices.padding,
            **kernel,
        ),
        *pooled(),
        # Pairs of 3x3 convolutions with twice the filters each time. The second of each halves the
        # map, which is what pooling would do.
        Conv2D(32, 3, **first),
        *normalized(),
        Conv2D(32, 3, strides=stride[1], **second),
        *normalized(),
        *pooled(),
        *dropout(choices.dropout),
        Conv2D(64, 3, **first),
        *normalized(),
        Conv2D(64, 3, strides=stride[2], **second),
        *normalized(),
        *pooled(),
        *dropout(choices.dropout),
        Conv2D(128, 3, **first),
        *normalized(),
        Conv2D(128, 3, strides=stride[3], **second),
        *normalized(),
        *pooled(),
        *dropout(choices.dropout),
        # The classifier.
        Flatten(),
        Dense(512, kernel_initializer=init),
        Activation(choices.activation),
        *batch_normalization(choices, axis=-1),
        *dropout(choices.dense_dropout),
        Dense(classes),
        softmax(),
    ]
    return keras.Sequential(layers, name="strided_net")


def _strides(side: int, choices: StridedNetChoices) -> list[int]:
    """The strides of the stem and of the second convolution of each pair.

    Args:
        side: The larger of the images' width and height in pixels.
    """
    if choices.downsampling == "max_pool":
        return [1, 1, 1, 1]
    strides = [2]
    positions = side - choices.stem_kernel_size + 1 if choices.padding == "valid" else side
    for _ in range(3):
        positions = -(-positions // 2)  # of an odd size the larger half stays
        strides.append(strides_over(positions))
    return strides


def _check_shape(width: int, height: int, depth: int, classes: int, kernel_size: int) -> None:
    if min(width, height) < kernel_size or depth < 1 or classes < 2:
        raise ValueError(
            f"received width={width}, height={height}, depth={depth}, classes={classes}; expected "
            f"a width and height of at least {kernel_size} (the stem's kernel), a depth of at "
            "least 1 and at least 2 classes."
        )
