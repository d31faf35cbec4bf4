"""The other networks: of StridedNet's cost, on images of any size, with all that they share."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

import model.registry
from model.choices import NetworkChoices, StridedNetChoices
from model.layers import side_of
from model.registry import NETWORKS, build_model, multiply_adds

pytestmark = pytest.mark.numerics

OTHERS = [name for name in NETWORKS if name != "strided_net"]


@pytest.fixture(scope="module")
def networks():
    return {name: build_model(name, 96, 96, 3, 4) for name in NETWORKS}


def of_kind(network, kind):
    return [layer for layer in network.layers if isinstance(layer, kind)]


@pytest.mark.parametrize("name", NETWORKS)
def test_costs_what_strided_net_does_and_its_docstring_says(networks, name):
    network = networks[name]
    cost = multiply_adds(network)
    assert 0.7 < cost / multiply_adds(networks["strided_net"]) < 1.4
    package = Path(model.registry.__file__).parent
    words = " ".join(" ".join(path.read_text() for path in package.glob("*.py")).split())
    assert re.search(f"{network.count_params():,} parameters", words)
    assert re.search(f"{cost / 1e6:.1f} million multiply-adds", words)


@pytest.mark.parametrize("name", NETWORKS)
def test_axes_follow_the_data_format(name):
    keras.config.set_image_data_format("channels_first")
    network = build_model(name, width=40, height=24, depth=1, classes=5)
    assert network.input_shape == (None, 1, 24, 40)
    assert network.output_shape == (None, 5)
    norms = of_kind(network, keras.layers.BatchNormalization)
    assert {norm.gamma.shape[0] == norm.input.shape[1] for norm in norms} == {True}


def test_width_and_height_are_not_mixed_up():
    assert build_model("vgg", width=40, height=24, depth=1, classes=5).input_shape == (
        None, 24, 40, 1,
    )  # fmt: skip


@pytest.mark.parametrize("size", [7, 16])
@pytest.mark.parametrize("name", NETWORKS)
def test_small_images(name, size):
    network = build_model(name, size, size, 3, 3)
    for layer in of_kind(network, keras.layers.Conv2D):
        assert layer.strides == (1, 1) or side_of(layer.input) > 1
    images = np.random.default_rng(0).random((2, size, size, 3), dtype=np.float32)
    np.testing.assert_allclose(np.sum(network(images), axis=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("name", OTHERS)
def test_what_all_layers_share(name):
    regularizer = keras.regularizers.L2(0.5)
    network = build_model(
        name,
        32,
        32,
        3,
        3,
        regularizer,
        "orthogonal",
        NetworkChoices("elu", batch_norm_momentum=0.7, sync_batch_norm=True, dense_dropout=0.1),
    )
    activations = of_kind(network, keras.layers.Activation)
    names = {keras.activations.serialize(layer.activation) for layer in activations}
    assert names == {"elu", "softmax"}
    convolutions = of_kind(network, keras.layers.Conv2D)
    assert {type(x.kernel_initializer).__name__ for x in convolutions} == {"Orthogonal"}
    assert all(x.kernel_regularizer is regularizer for x in convolutions)
    norms = of_kind(network, keras.layers.BatchNormalization)
    assert {(x.momentum, x.synchronized) for x in norms} == {(0.7, True)}
    assert {x.rate for x in of_kind(network, keras.layers.Dropout)} == {0.1}


@pytest.mark.parametrize("name", OTHERS)
def test_without_batch_normalization_and_dropout(name):
    network = build_model(
        name, 32, 32, 3, 3, choices=NetworkChoices(batch_norm=False, dense_dropout=0.0)
    )
    assert of_kind(network, keras.layers.BatchNormalization) == []
    assert of_kind(network, keras.layers.Dropout) == []
    assert {layer.use_bias for layer in of_kind(network, keras.layers.Conv2D)} == {True}


@pytest.mark.parametrize("name", NETWORKS)
def test_probabilities_are_float32_under_mixed_precision(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    network = build_model(name, 16, 16, 3, 3)
    assert network.outputs[0].dtype == "float32"
    assert network.layers[-2].output.dtype == "bfloat16"


def test_what_makes_each_network(networks):
    adds = of_kind(networks["residual"], keras.layers.Add)
    assert [layer.output.shape[1:] for layer in adds] == [
        (24, 24, 32), (12, 12, 64), (6, 6, 128), (3, 3, 256),
    ]  # fmt: skip
    modules = of_kind(networks["inception"], keras.layers.Concatenate)
    assert [(len(x.input), *x.output.shape[1:]) for x in modules] == [
        (4, 24, 24, 68), (4, 24, 24, 112), (4, 12, 12, 144), (4, 12, 12, 192),
        (4, 6, 6, 256), (4, 6, 6, 288),
    ]  # fmt: skip
    fires = of_kind(networks["fire"], keras.layers.Concatenate)
    assert [x.output.shape[-1] for x in fires] == [128, 128, 256, 256, 384, 384, 512, 512]
    pools = of_kind(networks["vgg"], keras.layers.MaxPooling2D)
    assert [x.output.shape[1:] for x in pools] == [
        (48, 48, 12), (24, 24, 24), (12, 12, 48), (6, 6, 96), (3, 3, 96),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "arguments", "more", "message"),
    [
        ("vgg", (0, 32, 3, 4), {}, "received width=0, height=32, depth=3, classes=4; expected"),
        ("fire", (32, 32, 3, 1), {}, "classes=1; expected a width, height and depth of at least 1"),
        ("fire", (32, 32, 3, 2), {"init": "ones"}, "received init='ones'; expected one of"),
        ("alexnet", (32, 32, 3, 2), {}, "received name='alexnet'; expected one of strided_net, "),
        (
            "vgg",
            (32, 32, 3, 2),
            {"choices": StridedNetChoices(dilation=2)},
            "received StridedNetChoices for name='vgg'; expected NetworkChoices",
        ),
    ],
)
def test_what_cannot_be_is_refused(name, arguments, more, message):
    with pytest.raises(ValueError) as caught:
        build_model(name, *arguments, **more)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_choices_reach_strided_net():
    network = build_model(
        "strided_net", 32, 32, 3, 3, choices=StridedNetChoices("elu", stem_filters=5)
    )
    assert network.layers[0].filters == 5
    assert network.layers[2].activation is keras.activations.elu
