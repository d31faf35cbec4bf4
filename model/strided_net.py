"""StridedNet: a small image classifier whose strided convolutions replace pooling.

After Adrian Rosebrock, "Keras Conv2D and Convolutional Layers" (2018), which in turn follows
Springenberg et al., "Striving for Simplicity: The All Convolutional Net" (arXiv:1412.6806).
"""

import keras
from keras import layers

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
) -> keras.Model:
    """Builds StridedNet, untrained.

    A stem of 16 7x7 filters with stride 2, valid padding and, as published, no activation; then
    for 32, 64 and 128 filters a pair of 3x3 convolutions, the second with stride 2, each followed
    by ReLU and batch normalization, and dropout 0.25 after the pair; then a dense layer of 512
    with ReLU, batch normalization and dropout 0.5. At 96x96x3 and four classes it has 2,658,820
    parameters. The axes follow `keras.config.image_data_format()`.

    Args:
        width: Width of the images in pixels, at least 7.
        height: Height of the images in pixels, at least 7.
        depth: Channels of the images.
        classes: Number of classes, at least 2.
        reg: Regularizer of the convolutions' kernels, or None.
        init: Initializer of the convolutions' and the hidden dense layer's kernels.
        batch_norm_momentum: Share of the old value that the moving statistics keep in a step.
        sync_batch_norm: Whether batch statistics are those of the batch over all replicas.

    Returns:
        A model from float images in [0, 1], (batch, height, width, depth) or, channels first,
        (batch, depth, height, width), to class probabilities, float32 (batch, classes) whatever
        the dtype policy.

    Raises:
        ValueError: for a size below the stem's kernel, or fewer than two classes.
    """
    if min(width, height) < 7 or depth < 1 or classes < 2:
        raise ValueError(
            f"received width={width}, height={height}, depth={depth}, classes={classes}; expected "
            "a width and height of at least 7 (the stem's kernel), a depth of at least 1 and at "
            "least 2 classes."
        )
    channels_first = keras.config.image_data_format() == "channels_first"
    shape = (depth, height, width) if channels_first else (height, width, depth)
    axis = 1 if channels_first else -1

    def convolution(filters: int, kernel_size: int, **keywords) -> layers.Layer:
        return layers.Conv2D(
            filters, kernel_size, kernel_initializer=init, kernel_regularizer=reg, **keywords
        )

    def batch_normalization(axis: int) -> layers.Layer:
        return layers.BatchNormalization(
            axis=axis, momentum=batch_norm_momentum, synchronized=sync_batch_norm
        )

    stack = [keras.Input(shape), convolution(16, 7, strides=2, padding="valid")]
    for filters in PAIR_FILTERS:
        for strides in (1, 2):
            stack += [
                convolution(filters, 3, strides=strides, padding="same"),
                layers.Activation("relu"),
                batch_normalization(axis),
            ]
        stack.append(layers.Dropout(0.25))
    stack += [
        layers.Flatten(),
        layers.Dense(512, kernel_initializer=init),
        layers.Activation("relu"),
        batch_normalization(-1),
        layers.Dropout(0.5),
        layers.Dense(classes),
        # float16 has too few bits for probabilities near 0 and 1, and so for the loss.
        layers.Activation("softmax", dtype="float32"),
    ]
    return keras.Sequential(stack, name="strided_net")
