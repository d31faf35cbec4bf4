"""StridedNet: a small image classifier whose strided convolutions replace pooling.

After Adrian Rosebrock, "Keras Conv2D and Convolutional Layers" (2018), which in turn follows
Springenberg et al., "Striving for Simplicity: The All Convolutional Net" (arXiv:1412.6806).
"""

import keras
from keras import layers

from model.choices import DOWNSAMPLING, PADDING
from model.layers import (
    Blocks,
    check_choice,
    check_positive,
    check_share,
    dropped,
    halved,
    image_input,
    probabilities,
    strides_over,
)

PAIR_FILTERS = (32, 64, 128)


def build_strided_net(
    width: int,
    height: int,
    depth: int,
    classes: int,
    reg: keras.regularizers.Regularizer | None = None,
    init: str = "he_normal",
    batch_norm_momentum: float = 0.99,
    sync_batch_norm: bool = False,
    *,
    stem_filters: int = 16,
    stem_kernel_size: int = 7,
    downsampling: str = "stride",
    padding: str = "valid",
    dilation: int = 1,
    activation: str = "relu",
    use_bias: bool = True,
    batch_norm: bool = True,
    dropout: float = 0.25,
    dense_dropout: float = 0.5,
) -> keras.Model:
    """Builds StridedNet, untrained.

    A stem of 16 7x7 filters with stride 2, valid padding and, as published, no activation; then
    for 32, 64 and 128 filters a pair of 3x3 convolutions, the second with stride 2, each followed
    by ReLU and batch normalization, and dropout 0.25 after the pair; then a dense layer of 512
    with ReLU, batch normalization and dropout 0.5. At 96x96x3 and four classes it has 2,658,820
    parameters and takes 52.3 million multiply-adds. The axes follow
    `keras.config.image_data_format()`.

    The defaults give this network; each of the keywords changes one thing in it.

    Args:
        width: Width of the images in pixels, at least `stem_kernel_size`.
        height: Height of the images in pixels, at least `stem_kernel_size`.
        depth: Channels of the images.
        classes: Number of classes, at least 2.
        reg: Regularizer of the convolutions' kernels, or None.
        init: Initializer of the convolutions' and the hidden dense layer's kernels, one of
            `model.choices.INITIALIZERS`.
        batch_norm_momentum: Share of the old value that the moving statistics keep in a step.
        sync_batch_norm: Whether batch statistics are those of the batch over all replicas.
        stem_filters: Filters of the stem.
        stem_kernel_size: Height and width of the stem's kernel in pixels.
        downsampling: "stride"; or "max_pool": no convolution strides, and where one would, the
            stem among them, 2x2 max pooling follows it, after its activation and normalization.
            All maps have the same sizes with both, and the networks the same number of parameters.
        padding: Of the stem: "valid", or "same" to keep the border. The pairs' is "same".
        dilation: Distance between the pixels that the first convolution of each pair sees: its
            3x3 kernel spans 1 + 2 * dilation pixels.
        activation: One of `model.choices.ACTIVATIONS`.
        use_bias: Whether the convolutions have a bias.
        batch_norm: Whether there is batch normalization.
        dropout: Share of the features that are dropped after each pair, in [0, 1).
        dense_dropout: The same after the hidden dense layer.

    Returns:
        A model from float images in [0, 1], (batch, height, width, depth) or, channels first,
        (batch, depth, height, width), to class probabilities, float32 (batch, classes) whatever
        the dtype policy.

    Raises:
        ValueError: for a size below the stem's kernel, fewer than two classes, or any other value
            that cannot be.
    """
    blocks = Blocks(
        activation, init, reg, batch_norm, batch_norm_momentum, sync_batch_norm, dense_dropout
    )
    check_positive("stem_filters", stem_filters)
    check_positive("stem_kernel_size", stem_kernel_size)
    check_positive("dilation", dilation)
    check_choice("downsampling", downsampling, DOWNSAMPLING)
    check_choice("padding", padding, PADDING)
    check_share("dropout", dropout)
    _check_shape(width, height, depth, classes, stem_kernel_size)
    stride = downsampling == "stride"
    side = _stem_side(max(width, height), stem_kernel_size, padding)
    stem = {"strides": 2 if stride else 1, "padding": padding, "use_bias": use_bias}
    stack = [
        image_input(width, height, depth, classes),
        blocks.convolution(stem_filters, stem_kernel_size, **stem),
        *_pooled(downsampling),
    ]
    for filters in PAIR_FILTERS:
        strides = strides_over(side) if stride else 1
        stack += [
            *_convolved(blocks, filters, dilation_rate=dilation, use_bias=use_bias),
            *_convolved(blocks, filters, strides=strides, use_bias=use_bias),
            *_pooled(downsampling),
            *dropped(dropout),
        ]
        side = -(-side // 2)
    stack += [layers.Flatten(), *blocks.hidden(512), *probabilities(classes)]
    return keras.Sequential(stack, name="strided_net")


def _convolved(blocks: Blocks, filters: int, **keywords) -> list[layers.Layer]:
    """A convolution of a pair: activated before it is normalized, as published."""
    return [
        blocks.convolution(filters, 3, padding="same", **keywords),
        blocks.activated(),
        *blocks.normalization(),
    ]


def _pooled(downsampling: str) -> list[layers.Layer]:
    return [halved()] if downsampling == "max_pool" else []


def _stem_side(side: int, kernel_size: int, padding: str) -> int:
    """The height or width of the stem's output in pixels."""
    positions = side - kernel_size + 1 if padding == "valid" else side
    return -(-positions // 2)


def _check_shape(width: int, height: int, depth: int, classes: int, kernel_size: int) -> None:
    if min(width, height) < kernel_size or depth < 1 or classes < 2:
        raise ValueError(
            f"received width={width}, height={height}, depth={depth}, classes={classes}; expected "
            f"a width and height of at least {kernel_size} (the stem's kernel), a depth of at "
            "least 1 and at least 2 classes."
        )
