"""The networks by name, and what a forward pass of one costs. Keras is imported when it is used."""

import math
from typing import TYPE_CHECKING, Any

from model.choices import NetworkChoices, StridedNetChoices, check_choice

if TYPE_CHECKING:
    import keras

__all__ = ["NETWORKS", "build_model", "multiply_adds"]

# What each network is called, for the reader.
TITLES = {
    "strided_net": "StridedNet",
    "residual": "ResidualNet",
    "inception": "InceptionNet",
    "fire": "FireNet",
    "vgg": "VggNet",
}
NETWORKS = tuple(TITLES)


def build_model(
    name: str,
    width: int,
    height: int,
    depth: int,
    classes: int,
    reg: "keras.regularizers.Regularizer | None" = None,
    init: str = "he_normal",
    choices: NetworkChoices | None = None,
) -> "keras.Model":
    """Builds one of the networks, untrained.

    Args:
        name: One of `NETWORKS`.
        width, height, depth, classes, reg, init: See `model.strided_net.build_strided_net`.
        choices: `StridedNetChoices` for StridedNet, `NetworkChoices` for the others; the defaults
            unless given.

    Raises:
        ValueError: for a value that cannot be, or choices of another network.
    """
    from model import other_networks
    from model.layers import Blocks, image_input
    from model.strided_net import build_strided_net

    check_choice("name", name, NETWORKS)
    expected = StridedNetChoices if name == "strided_net" else NetworkChoices
    choices = expected() if choices is None else choices
    if type(choices) is not expected:
        raise ValueError(
            f"received {type(choices).__name__} for name={name!r}; expected {expected.__name__}."
        )
    if isinstance(choices, StridedNetChoices):
        return build_strided_net(width, height, depth, classes, reg, init, choices)
    build = getattr(other_networks, f"build_{name}_net")
    blocks = Blocks(choices, init, reg)
    return build(image_input(width, height, depth, classes), classes, blocks)


def multiply_adds(model: "keras.Model") -> int:
    """Counts the multiplications, each with an addition, of one image's forward pass.

    Those of convolutions, with groups and depthwise, too, and of dense layers; biases,
    normalization, activations and pooling are not counted. What falls on padding is counted. The
    model is built, each of its layers called once; a layer of another kind with weights is a
    ValueError.
    """
    return sum(_multiply_adds_of(layer) for layer in model.layers)


def _multiply_adds_of(layer: Any) -> int:
    import keras
    from keras import layers

    convolutions = layers.Conv1D, layers.Conv2D, layers.Conv3D
    depthwise = layers.DepthwiseConv1D, layers.DepthwiseConv2D
    if isinstance(layer, keras.Model):
        return multiply_adds(layer)
    # At inference batch normalization is a scale and a shift, which other layers can absorb.
    if not layer.weights or isinstance(layer, layers.BatchNormalization):
        return 0
    if isinstance(layer, layers.Dense):
        return math.prod(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape)
    if isinstance(layer, convolutions + depthwise):
        shape = layer.output.shape
        channels = shape[1] if layer.data_format == "channels_first" else shape[-1]
        # Each place of the output has a product with every element of the kernel, once.
        return math.prod(shape[1:]) // channels * math.prod(layer.kernel.shape)
    raise ValueError(
        f"received the layer {layer.name}, a {type(layer).__name__}; expected convolutions, dense "
        "layers, batch normalization and layers without weights."
    )
