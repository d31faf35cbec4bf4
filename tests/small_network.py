"""A network that is ready in a fraction of StridedNet's time, for tests of what trains it."""

from collections.abc import Sequence
from typing import Any


def build_small(
    name: str,
    width: int,
    height: int,
    depth: int,
    classes: int,
    *,
    activation: str = "relu",
    batch_norm_momentum: float = 0.99,
    sync_batch_norm: bool = False,
    reg: Any = None,
    filters: Sequence[int] = (4,),
    **_: Any,
) -> Any:
    """A network with a layer of each kind that StridedNet has, as `build_model` is called."""
    import keras

    layers = keras.layers
    stack = [keras.Input((height, width, depth))]
    for count, (size, strides) in zip(filters, ((7, 4), (3, 1)), strict=False):
        stack += [
            layers.Conv2D(
                count,
                size,
                strides=strides,
                padding="valid" if strides > 1 else "same",
                kernel_regularizer=reg,
            ),
            layers.Activation(activation),
            layers.BatchNormalization(momentum=batch_norm_momentum, synchronized=sync_batch_norm),
        ]
    stack += [
        layers.Dropout(0.25),
        layers.Flatten(),
        layers.Dense(classes),
        layers.Activation("softmax", dtype="float32"),
    ]
    return keras.Sequential(stack, name=name)
