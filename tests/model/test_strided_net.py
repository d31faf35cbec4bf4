"""The published network: its layers, its size, and what its arguments change."""

import keras
import numpy as np
import pytest

from model.choices import StridedNetChoices
from model.strided_net import build_strided_net

pytestmark = pytest.mark.numerics


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_has_the_published_number_of_parameters(data_format):
    keras.config.set_image_data_format(data_format)
    model = build_strided_net(96, 96, 3, 4)
    assert model.count_params() == 2_658_820
    assert model.output_shape == (None, 4)
    expected = (None, 3, 96, 96) if data_format == "channels_first" else (None, 96, 96, 3)
    assert model.input_shape == expected


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_width_and_height_are_not_mixed_up(data_format):
    keras.config.set_image_data_format(data_format)
    model = build_strided_net(width=40, height=24, depth=1, classes=2)
    expected = (None, 1, 24, 40) if data_format == "channels_first" else (None, 24, 40, 1)
    assert model.input_shape == expected


def test_batch_normalization_is_over_the_channels():
    keras.config.set_image_data_format("channels_first")
    model = build_strided_net(96, 96, 3, 4)
    sizes = [layer.gamma.shape[0] for layer in norms(model)]
    assert sizes == [32, 32, 64, 64, 128, 128, 512]


def test_order_of_the_layers():
    pair = ["Conv2D", "Activation", "BatchNormalization"] * 2 + ["Dropout"]
    head = ["Flatten", "Dense", "Activation", "BatchNormalization", "Dropout", "Dense"]
    names = [type(layer).__name__ for layer in build_strided_net(96, 96, 3, 4).layers]
    assert names == ["Conv2D", *pair * 3, *head, "Activation"]


def test_convolutions_are_as_published():
    layers = [layer for layer in build_strided_net(96, 96, 3, 4).layers if is_convolution(layer)]
    described = [(x.filters, x.kernel_size[0], x.strides[0], x.padding) for x in layers]
    pairs = [(n, 3, stride, "same") for n in (32, 64, 128) for stride in (1, 2)]
    assert described == [(16, 7, 2, "valid"), *pairs]


def test_probabilities_are_float32_under_mixed_precision(needs_precision):
    needs_precision("mixed_bfloat16")
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = build_strided_net(32, 32, 3, 3)
    probabilities = model(np.random.default_rng(0).random((2, 32, 32, 3), dtype=np.float32))
    assert probabilities.dtype == "float32"
    np.testing.assert_allclose(np.sum(probabilities, axis=1), 1.0, rtol=1e-5)


def test_regularizer_is_on_every_convolution_and_nowhere_else():
    model = build_strided_net(32, 32, 3, 3, reg=keras.regularizers.L2(0.5))
    kernels = [layer.kernel.numpy() for layer in model.layers if is_convolution(layer)]
    expected = [0.5 * np.sum(np.square(kernel)) for kernel in kernels]
    np.testing.assert_allclose([float(loss) for loss in model.losses], expected, rtol=1e-5)


def test_arguments_reach_the_layers():
    model = build_strided_net(
        32, 32, 3, 3, init="glorot_uniform", choices=StridedNetChoices(batch_norm_momentum=0.5)
    )
    assert {layer.momentum for layer in norms(model)} == {0.5}
    initializers = [layer.kernel_initializer for layer in model.layers if is_convolution(layer)]
    assert {type(initializer).__name__ for initializer in initializers} == {"GlorotUniform"}
    synchronized = build_strided_net(32, 32, 3, 3, choices=StridedNetChoices(sync_batch_norm=True))
    assert {layer.synchronized for layer in norms(synchronized)} == {True}


@pytest.mark.parametrize(
    "arguments", [(6, 96, 3, 4), (96, 6, 3, 4), (96, 96, 0, 4), (96, 96, 3, 1)]
)
def test_refuses_what_cannot_be_built(arguments):
    with pytest.raises(ValueError, match="received width=.*expected"):
        build_strided_net(*arguments)


def norms(model):
    return [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]


def is_convolution(layer):
    return isinstance(layer, keras.layers.Conv2D)
