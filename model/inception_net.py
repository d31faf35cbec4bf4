"""InceptionNet: a small network of modules that look at each map at several scales at once.

After Szegedy et al., "Going Deeper with Convolutions" (arXiv:1409.4842, GoogLeNet), with two 3x3
convolutions in the place of each 5x5 one and batch normalization, as in Ioffe and Szegedy, "Batch
Normalization" (arXiv:1502.03167).
"""

from typing import NamedTuple

import keras
from keras import layers

from model.layers import (
    Blocks,
    channel_axis,
    dropped,
    image_input,
    overlapping_pool,
    probabilities,
    through,
)


class Module(NamedTuple):
    """The filters of a module's four branches, in the order of GoogLeNet's table."""

    one: int  # a 1x1 convolution
    before_three: int  # a 1x1 convolution that leaves few channels for ...
    three: int  # ... a 3x3 convolution
    before_five: int
    five: int  # two 3x3 convolutions, which together see 5x5 pixels
    pooled: int  # 3x3 max pooling and a 1x1 convolution


# Two modules a size, with the proportions of GoogLeNet's 3a, 3b, 4a, 4e, 5a and 5b.
SIZES = (
    (Module(16, 24, 32, 8, 12, 8), Module(32, 32, 48, 8, 16, 16)),
    (Module(48, 32, 64, 8, 16, 16), Module(64, 40, 80, 12, 24, 24)),
    (Module(96, 48, 96, 16, 32, 32), Module(96, 64, 128, 16, 32, 32)),
)
STEM_FILTERS = (32, 32, 48)
_BLOCKS = Blocks()


def build_inception_net(
    width: int, height: int, depth: int, classes: int, blocks: Blocks = _BLOCKS
) -> keras.Model:
    """Builds InceptionNet, untrained.

    A stem of 7x7 filters with stride 2, pooling, and a 1x1 and a 3x3 convolution; two modules, a
    pooling, two modules, a pooling and two modules; the mean over each map; dropout. All pooling is
    3x3 with stride 2. At 96x96x3 and four classes it has 385,412 parameters and takes
    61.0 million multiply-adds.

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
    first, second, third = STEM_FILTERS
    stem = [
        *blocks.convolved(first, 7, strides=2),
        overlapping_pool(),
        *blocks.convolved(second, 1),
        *blocks.convolved(third, 3),
    ]
    tensor = through(images, stem)
    for number, modules in enumerate(SIZES):
        if number:
            tensor = overlapping_pool()(tensor)
        for module in modules:
            tensor = _module(blocks, tensor, module)
    head = [layers.GlobalAveragePooling2D(), *dropped(blocks.dense_dropout)]
    return keras.Model(
        images, through(tensor, [*head, *probabilities(classes)]), name="inception_net"
    )


def _module(blocks: Blocks, tensor: keras.KerasTensor, filters: Module) -> keras.KerasTensor:
    """Four branches side by side, whose maps are stacked."""
    branches = (
        blocks.convolved(filters.one, 1),
        [*blocks.convolved(filters.before_three, 1), *blocks.convolved(filters.three, 3)],
        [
            *blocks.convolved(filters.before_five, 1),
            *blocks.convolved(filters.five, 3),
            *blocks.convolved(filters.five, 3),
        ],
        [overlapping_pool(strides=1), *blocks.convolved(filters.pooled, 1)],
    )
    return layers.Concatenate(axis=channel_axis())([through(tensor, x) for x in branches])
