"""Each keyword of StridedNet changes what it says, and nothing else."""

import keras
import numpy as np
import pytest

from model.choices import ACTIVATIONS, INITIALIZERS, StridedNetChoices
from model.layers import side_of
from model.registry import multiply_adds
from model.strided_net import build_strided_net


def build(size=32, init="he_normal", **choices):
    return build_strided_net(size, size, 3, 4, init=init, choices=StridedNetChoices(**choices))


def of_kind(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


def convolutions(model):
    return of_kind(model, keras.layers.Conv2D)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


def described(model):
    """The kind and the settings of each layer, but for its name."""
    return [{**layer.get_config(), "name": None, "kind": type(layer)} for layer in model.layers]


def changed(**choices):
    """The number and the setting of each layer that is not the published one's."""
    layers = zip(described(build()), described(build(**choices)), strict=True)
    return {
        (number, name)
        for number, (before, after) in enumerate(layers)
        for name in before
        if before[name] != after[name]
    }


def test_the_stem():
    stem = convolutions(build(stem_filters=24, stem_kernel_size=5))[0]
    assert stem.kernel.shape == (5, 5, 3, 24)
    assert stem.output.shape == (None, 14, 14, 24)
    assert changed(stem_filters=24) == {(0, "filters")}
    assert changed(stem_kernel_size=5) == {(0, "kernel_size")}


@pytest.mark.parametrize(("size", "valid", "same"), [(32, 13, 16), (33, 14, 17)])
def test_the_padding_of_the_stem(size, valid, same):
    assert side_of(convolutions(build(size))[0].output) == valid
    model = build(size, padding="same")
    assert side_of(convolutions(model)[0].output) == same
    assert changed(padding="same") == {(0, "padding")}


@pytest.mark.parametrize("size", [7, 12, 96, 97])
def test_pooling_halves_as_strides_do(size):
    strided, pooled = build(size), build(size, downsampling="max_pool")
    assert {layer.strides for layer in convolutions(pooled)} == {(1, 1)}
    assert pooled.count_params() == strided.count_params()
    shapes = [
        [tuple(layer.output.shape) for layer in of_kind(model, keras.layers.Dropout)]
        for model in (strided, pooled)
    ]
    assert shapes[0] == shapes[1]
    assert multiply_adds(pooled) > multiply_adds(strided) or size < 12


def test_pooling_follows_activation_and_normalization():
    pair = ["Conv2D", "Activation", "BatchNormalization"] * 2 + ["MaxPooling2D", "Dropout"]
    head = ["Flatten", "Dense", "Activation", "BatchNormalization", "Dropout", "Dense"]
    model = build(downsampling="max_pool")
    assert kinds(model) == ["Conv2D", "MaxPooling2D", *pair * 3, *head, "Activation"]


def test_dilation_is_of_the_first_of_each_pair():
    rates = [layer.dilation_rate[0] for layer in convolutions(build(dilation=3))]
    assert rates == [1, 3, 1, 3, 1, 3, 1]
    assert changed(dilation=3) == {(number, "dilation_rate") for number in (1, 8, 15)}
    # A pixel more in the middle is seen by the places that are three pixels away from it.
    layer = convolutions(build(dilation=3))[1]
    images = np.zeros((1, 9, 9, 16), np.float32)
    images[0, 4, 4] = 1.0
    rows, columns = np.nonzero(np.abs(layer(images)[0]).sum(axis=-1))
    assert {*rows, *columns} == {1, 4, 7}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_activation(activation):
    layers = of_kind(build(activation=activation), keras.layers.Activation)
    names = [keras.activations.serialize(layer.activation) for layer in layers]
    assert names == [activation] * 7 + ["softmax"]


@pytest.mark.parametrize("init", INITIALIZERS)
def test_the_initializer(init):
    model = build(init=init)
    drawn = [*convolutions(model), of_kind(model, keras.layers.Dense)[0]]
    expected = type(keras.initializers.get(init))
    assert {type(layer.kernel_initializer) for layer in drawn} == {expected}


def test_the_bias():
    model = build(use_bias=False)
    assert {layer.use_bias for layer in convolutions(model)} == {False}
    assert {layer.use_bias for layer in of_kind(model, keras.layers.Dense)} == {True}
    biases = 16 + 2 * (32 + 64 + 128)
    assert model.count_params() == build().count_params() - biases


def test_without_batch_normalization():
    expected = [kind for kind in kinds(build()) if kind != "BatchNormalization"]
    assert kinds(build(batch_norm=False)) == expected


def test_dropout():
    def rates(**choices):
        return [layer.rate for layer in of_kind(build(**choices), keras.layers.Dropout)]

    assert rates() == [0.25, 0.25, 0.25, 0.5]
    assert rates(dropout=0.1) == [0.1, 0.1, 0.1, 0.5]
    assert rates(dense_dropout=0.1) == [0.25, 0.25, 0.25, 0.1]
    assert rates(dropout=0.0) == [0.5]
    assert rates(dense_dropout=0.0) == [0.25] * 3


@pytest.mark.parametrize("size", [7, 12])
def test_no_convolution_strides_over_one_pixel(size):
    layers = convolutions(build(size))
    over_one = [layer for layer in layers if side_of(layer.input) == 1]
    assert over_one and {layer.strides for layer in over_one} == {(1, 1)}


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"stem_filters": 0}, "received stem_filters=0; expected at least 1."),
        ({"stem_kernel_size": 0}, "received stem_kernel_size=0; expected at least 1."),
        (
            {"stem_kernel_size": 33},
            "expected a width and height of at least 33 (the stem's kernel)",
        ),
        (
            {"downsampling": "pool"},
            "received downsampling='pool'; expected one of stride, max_pool",
        ),
        ({"padding": "full"}, "received padding='full'; expected one of valid, same."),
        ({"dilation": 0}, "received dilation=0; expected at least 1."),
        ({"activation": "rulu"}, "received activation='rulu'; expected one of relu, leaky_relu,"),
        ({"init": "zeros"}, "received init='zeros'; expected one of he_normal, he_uniform,"),
        ({"dropout": 1.0}, "received dropout=1.0; expected at least 0 and below 1."),
        ({"dense_dropout": -0.1}, "received dense_dropout=-0.1; expected at least 0 and below 1."),
        ({"batch_norm_momentum": 1.0}, "received batch_norm_momentum=1.0; expected at least 0"),
    ],
)
def test_what_cannot_be_is_refused(choices, message):
    with pytest.raises(ValueError) as caught:
        build(**choices)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
