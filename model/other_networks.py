"""Four other published networks, made small enough to cost about as much as StridedNet.

Each is built by a function of its input, the number of classes, and the `Blocks` that make its
layers. It returns a model as `model.strided_net.build_strided_net` does.
"""

from typing import NamedTuple

import keras
from keras import layers

from model.layers import (
    Blocks,
    channel_axis,
    dropout,
    max_pooling,
    side_of,
    softmax,
    strides_over,
    through,
)

# ResidualNet.

RESIDUAL_FILTERS = (32, 64, 128, 256)


def build_residual_net(images: keras.KerasTensor, classes: int, blocks: Blocks) -> keras.Model:
    """Builds ResidualNet: a ten-layer residual network with half of the published filters.

    After He et al., "Deep Residual Learning for Image Recognition" (arXiv:1512.03385), whose
    ResNet-18 has two blocks of 64, 128, 256 and 512 filters; here there is one of each of 32 to
    256. A stem of 7x7 filters with stride 2 and 3x3 max pooling with stride 2; a residual block of
    two 3x3 convolutions for each number of filters, all but the first with stride 2; the mean over
    each map; dropout, which is not in the paper. At 96x96x3 and four classes it has 1,234,148
    parameters and takes 46.2 million multiply-adds.
    """
    stem = [*blocks.convolved(RESIDUAL_FILTERS[0], 7, strides=2), max_pooling(3)]
    tensor = through(images, stem)
    for stage, filters in enumerate(RESIDUAL_FILTERS):
        strides = 1 if stage == 0 else strides_over(side_of(tensor))
        tensor = _residual(blocks, tensor, filters, strides)
    return keras.Model(images, through(tensor, _averaged(blocks, classes)), name="residual_net")


def _residual(
    blocks: Blocks, tensor: keras.KerasTensor, filters: int, strides: int
) -> keras.KerasTensor:
    """The sum of two convolutions of the input, and of the input or its projection; activated."""
    two = [*blocks.convolved(filters, 3, strides), *blocks.normalized(filters, 3)]
    shortcut = tensor
    if strides > 1 or tensor.shape[channel_axis()] != filters:
        shortcut = through(tensor, blocks.normalized(filters, 1, strides))
    return blocks.activation()(layers.Add()([through(tensor, two), shortcut]))


# InceptionNet.


class Inception(NamedTuple):
    """The filters of a module's four branches, in the order of GoogLeNet's table."""

    one: int  # a 1x1 convolution
    before_three: int  # a 1x1 convolution that leaves few channels for ...
    three: int  # ... a 3x3 convolution
    before_five: int
    five: int  # two 3x3 convolutions, which together see 5x5 pixels
    pooled: int  # 3x3 max pooling and a 1x1 convolution


# Two modules a size, with the proportions of GoogLeNet's 3a, 3b, 4a, 4e, 5a and 5b.
INCEPTION_MODULES = (
    (Inception(16, 24, 32, 8, 12, 8), Inception(32, 32, 48, 8, 16, 16)),
    (Inception(48, 32, 64, 8, 16, 16), Inception(64, 40, 80, 12, 24, 24)),
    (Inception(96, 48, 96, 16, 32, 32), Inception(96, 64, 128, 16, 32, 32)),
)


def build_inception_net(images: keras.KerasTensor, classes: int, blocks: Blocks) -> keras.Model:
    """Builds InceptionNet: modules that look at each map at several scales at once.

    After Szegedy et al., "Going Deeper with Convolutions" (arXiv:1409.4842, GoogLeNet), with two
    3x3 convolutions in the place of each 5x5 one and batch normalization, as in Ioffe and Szegedy,
    "Batch Normalization" (arXiv:1502.03167). A stem of 7x7 filters with stride 2, pooling, and a
    1x1 and a 3x3 convolution; two modules, a pooling, two modules, a pooling and two modules; the
    mean over each map; dropout. All pooling is 3x3 with stride 2. At 96x96x3 and four classes it
    has 385,412 parameters and takes 61.0 million multiply-adds.
    """
    stem = [*blocks.convolved(32, 7, strides=2), max_pooling(3)]
    stem += [*blocks.convolved(32, 1), *blocks.convolved(48, 3)]
    tensor = through(images, stem)
    for number, modules in enumerate(INCEPTION_MODULES):
        if number:
            tensor = max_pooling(3)(tensor)
        for module in modules:
            tensor = _inception(blocks, tensor, module)
    return keras.Model(images, through(tensor, _averaged(blocks, classes)), name="inception_net")


def _inception(blocks: Blocks, tensor: keras.KerasTensor, filters: Inception) -> keras.KerasTensor:
    """Four branches side by side, whose maps are stacked."""
    branches = (
        blocks.convolved(filters.one, 1),
        [*blocks.convolved(filters.before_three, 1), *blocks.convolved(filters.three, 3)],
        [
            *blocks.convolved(filters.before_five, 1),
            *blocks.convolved(filters.five, 3),
            *blocks.convolved(filters.five, 3),
        ],
        [max_pooling(3, strides=1), *blocks.convolved(filters.pooled, 1)],
    )
    return layers.Concatenate(axis=channel_axis())([through(tensor, x) for x in branches])


# FireNet.

# Of each fire module: the filters that squeeze, and those of each size that expand. Pooling comes
# before the first module of each row.
FIRE_MODULES = (
    ((16, 64), (16, 64)),
    ((32, 128), (32, 128)),
    ((48, 192), (48, 192), (64, 256), (64, 256)),
)


def build_fire_net(images: keras.KerasTensor, classes: int, blocks: Blocks) -> keras.Model:
    """Builds FireNet: SqueezeNet, with batch normalization.

    After Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB
    model size" (arXiv:1602.07360), in the layers of its authors' later and cheaper version 1.1
    (github.com/forresti/SqueezeNet). A stem of 64 3x3 filters with stride 2; eight fire modules,
    with 3x3 max pooling, stride 2, before the first, third and fifth; dropout; and, with no dense
    layer, a 1x1 convolution to as many maps as there are classes, of which the means are taken. At
    96x96x3 and four classes it has 733,380 parameters and takes 52.8 million multiply-adds.
    """
    tensor = through(images, blocks.convolved(64, 3, strides=2))
    for row in FIRE_MODULES:
        tensor = max_pooling(3)(tensor)
        for squeezed, expanded in row:
            # Few maps by a 1x1 convolution, then many, half of them by 1x1 and half by 3x3.
            few = through(tensor, blocks.convolved(squeezed, 1))
            many = [through(few, blocks.convolved(expanded, size)) for size in (1, 3)]
            tensor = layers.Concatenate(axis=channel_axis())(many)
    head = [
        *dropout(blocks.choices.dense_dropout),
        blocks.convolution(classes, 1),
        layers.GlobalAveragePooling2D(),
        softmax(),
    ]
    return keras.Model(images, through(tensor, head), name="fire_net")


# VggNet.

# The filters of each row's convolutions; pooling comes after each row.
VGG_ROWS = ((12,), (24,), (48, 48), (96, 96), (96, 96))


def build_vgg_net(images: keras.KerasTensor, classes: int, blocks: Blocks) -> keras.Model:
    """Builds VggNet: a narrow VGG with batch normalization.

    After Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
    Recognition" (arXiv:1409.1556), configuration A (VGG-11), with 3/16 of its filters and 1/8 of
    its hidden units. Eight 3x3 convolutions with stride 1, in rows of one, one, two, two and two,
    with 2x2 max pooling after each row; two dense layers of 512, each with dropout. At 96x96x3 and
    four classes it has 1,038,072 parameters and takes 51.5 million multiply-adds.
    """
    stack = [images]
    for row in VGG_ROWS:
        for filters in row:
            stack += blocks.convolved(filters, 3)
        stack.append(max_pooling(2))
    stack += [layers.Flatten(), *blocks.hidden(512), *blocks.hidden(512)]
    stack += [layers.Dense(classes), softmax()]
    return keras.Sequential(stack, name="vgg_net")


def _averaged(blocks: Blocks, classes: int) -> list[layers.Layer]:
    """From maps to probabilities by the mean over each map."""
    return [
        layers.GlobalAveragePooling2D(),
        *dropout(blocks.choices.dense_dropout),
        layers.Dense(classes),
        softmax(),
    ]
