"""FireNet: SqueezeNet, with batch normalization.

After Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model
size" (arXiv:1602.07360), in the layers of its authors' later and cheaper version 1.1
(github.com/forresti/SqueezeNet).
"""

import keras
from keras import layers

from model.layers import (
    Blocks,
    channel_axis,
    dropped,
    image_input,
    overlapping_pool,
    softmax,
    through,
)

STEM_FILTERS = 64
# Of each fire module: the filters that squeeze, and those of each size that expand. Pooling comes
# before the first module of each row.
FIRES = (
    ((16, 64), (16, 64)),
    ((32, 128), (32, 128)),
    ((48, 192), (48, 192), (64, 256), (64, 256)),
)
_BLOCKS = Blocks()


def build_fire_net(
    width: int, height: int, depth: int, classes: int, blocks: Blocks = _BLOCKS
) -> keras.Model:
    """Builds FireNet, untrained.

    A stem of 64 3x3 filters with stride 2; eight fire modules, with 3x3 max pooling, stride 2,
    before the first, third and fifth; dropout; and, with no dense layer, a 1x1 convolution to as
    many maps as there are classes, of which the means are taken. At 96x96x3 and four classes it
    has 733,380 parameters and takes 52.8 million multiply-adds.

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
    tensor = through(images, blocks.convolved(STEM_FILTERS, 3, strides=2))
    for row in FIRES:
        tensor = overlapping_pool()(tensor)
        for squeezed, expanded in row:
            tensor = _fire(blocks, tensor, squeezed, expanded)
    head = [
        *dropped(blocks.dense_dropout),
        blocks.convolution(classes, 1),
        layers.GlobalAveragePooling2D(),
        softmax(),
    ]
    return keras.Model(images, through(tensor, head), name="fire_net")


def _fire(
    blocks: Blocks, tensor: keras.KerasTensor, squeezed: int, expanded: int
) -> keras.KerasTensor:
    """Few maps by a 1x1 convolution, then many, half of them by 1x1 and half by 3x3."""
    few = through(tensor, blocks.convolved(squeezed, 1))
    many = [through(few, blocks.convolved(expanded, size)) for size in (1, 3)]
    return layers.Concatenate(axis=channel_axis())(many)
