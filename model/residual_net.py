"""ResidualNet: a ten-layer residual network with half of the published number of filters.

After He et al., "Deep Residual Learning for Image Recognition" (arXiv:1512.03385), whose
ResNet-18 has two blocks of 64, 128, 256 and 512 filters; here there is one of each of 32 to 256.
"""

import keras
from keras import layers

from model.layers import (
    Blocks,
    channel_axis,
    dropped,
    image_input,
    overlapping_pool,
    probabilities,
    side_of,
    strides_over,
    through,
)

STAGE_FILTERS = (32, 64, 128, 256)
_BLOCKS = Blocks()


def build_residual_net(
    width: int, height: int, depth: int, classes: int, blocks: Blocks = _BLOCKS
) -> keras.Model:
    """Builds ResidualNet, untrained.

    A stem of 7x7 filters with stride 2 and 3x3 max pooling with stride 2; a residual block of two
    3x3 convolutions for each of 32, 64, 128 and 256 filters, all but the first with stride 2; the
    mean over each map; dropout, which is not in the paper. At 96x96x3 and four classes it has
    1,234,148 parameters and takes 46.2 million multiply-adds.

    Args:
        width: Width of the images in pixels.
        height: Height of the images in pixels.
        depth: Channels of the images.
        classes: Number of classes, at least 2.
        blocks: What all layers have in common.

    Returns:
        A model as `model.strided_net.build_strided_net` returns it.

    Raises:
        ValueError: for an empty image, or fewer than two classes.
    """
    images = image_input(width, height, depth, classes)
    tensor = through(images, [*blocks.convolved(STAGE_FILTERS[0], 7, 2), overlapping_pool()])
    for stage, filters in enumerate(STAGE_FILTERS):
        strides = 1 if stage == 0 else strides_over(side_of(tensor))
        tensor = _residual(blocks, tensor, filters, strides)
    head = [layers.GlobalAveragePooling2D(), *dropped(blocks.dense_dropout)]
    return keras.Model(
        images, through(tensor, [*head, *probabilities(classes)]), name="residual_net"
    )


def _residual(
    blocks: Blocks, tensor: keras.KerasTensor, filters: int, strides: int
) -> keras.KerasTensor:
    """The sum of two convolutions of the input, and of the input or its projection; activated."""
    two = [*blocks.convolved(filters, 3, strides), *blocks.normalized(filters, 3)]
    shortcut = tensor
    if strides > 1 or tensor.shape[channel_axis()] != filters:
        shortcut = through(tensor, blocks.normalized(filters, 1, strides))
    return blocks.activated()(layers.Add()([through(tensor, two), shortcut]))
