"""What a forward pass costs."""

import math

import keras
from keras import layers

_CONVOLUTIONS = (
    layers.Conv1D,
    layers.Conv2D,
    layers.Conv3D,
    layers.DepthwiseConv1D,
    layers.DepthwiseConv2D,
)
_FREE = (layers.BatchNormalization,)  # at inference a scale and a shift, which others can absorb


def multiply_adds(model: keras.Model) -> int:
    """The multiplications, each with an addition, of one image's forward pass.

    Those of convolutions, with groups and depthwise, too, and of dense layers; biases,
    normalization, activations and pooling are not counted. What falls on padding is counted.

    Args:
        model: Built, each of its layers called once.

    Raises:
        ValueError: for a layer with weights that is of none of these kinds.
    """
    return sum(_of_layer(layer) for layer in model.layers)


def _of_layer(layer: layers.Layer) -> int:
    if isinstance(layer, keras.Model):
        return multiply_adds(layer)
    if not layer.weights or isinstance(layer, _FREE):
        return 0
    if isinstance(layer, layers.Dense):
        return math.prod(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape)
    if isinstance(layer, _CONVOLUTIONS):
        shape = layer.output.shape
        channels = shape[1] if layer.data_format == "channels_first" else shape[-1]
        # Each place of the output has a product with every element of the kernel, once.
        return math.prod(shape[1:]) // channels * math.prod(layer.kernel.shape)
    raise ValueError(
        f"received the layer {layer.name}, a {type(layer).__name__}; expected convolutions, dense "
        "layers, batch normalization and layers without weights."
    )
