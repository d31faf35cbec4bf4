"""VggNet: a narrow VGG with batch normalization.

After Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition"
(arXiv:1409.1556), configuration A (VGG-11), with 3/16 of its filters and 1/8 of its hidden units.
"""

import keras
from keras import layers

from model.layers import Blocks, halved, image_input, probabilities

# The filters of each row's convolutions; pooling comes after each row.
ROWS = ((12,), (24,), (48, 48), (96, 96), (96, 96))
HIDDEN_UNITS = 512
_BLOCKS = Blocks()


def build_vgg_net(
    width: int, height: int, depth: int, classes: int, blocks: Blocks = _BLOCKS
) -> keras.Model:
    """Builds VggNet, untrained.

    Eight 3x3 convolutions with stride 1, in rows of one, one, two, two and two, with 2x2 max
    pooling after each row; two dense layers of 512, each with dropout. At 96x96x3 and four classes
    it has 1,038,072 parameters and takes 51.5 million multiply-adds.

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
    stack = [image_input(width, height, depth, classes)]
    for row in ROWS:
        for filters in row:
            stack += blocks.convolved(filters, 3)
        stack.append(halved())
    stack += [layers.Flatten(), *blocks.hidden(HIDDEN_UNITS), *blocks.hidden(HIDDEN_UNITS)]
    return keras.Sequential([*stack, *probabilities(classes)], name="vgg_net")
