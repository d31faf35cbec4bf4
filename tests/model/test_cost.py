"""Multiply-adds, against numbers worked out by hand and against TensorFlow's profiler."""

import keras
import pytest
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from model.registry import build_model, multiply_adds

layers = keras.layers


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (layers.Conv2D(8, 3), (10, 12, 4), 8 * 10 * 8 * 3 * 3 * 4),
        (layers.Conv2D(8, 3, strides=2, padding="same"), (9, 9, 4), 5 * 5 * 8 * 3 * 3 * 4),
        (layers.Conv2D(8, 3, dilation_rate=2), (9, 9, 4), 5 * 5 * 8 * 3 * 3 * 4),
        (layers.Conv2D(8, 3, groups=4, padding="same"), (9, 9, 4), 9 * 9 * 8 * 3 * 3),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), (9, 9, 4), 7 * 7 * 4 * 2 * 3 * 3),
        (layers.Conv1D(8, 3), (10, 4), 8 * 8 * 3 * 4),
        (layers.Conv2D(8, 3, data_format="channels_first"), (4, 10, 12), 8 * 10 * 8 * 3 * 3 * 4),
        (layers.Dense(7), (5,), 35),
        (layers.Dense(7), (3, 5), 3 * 35),
        (layers.BatchNormalization(), (9, 9, 4), 0),
        (layers.MaxPooling2D(), (9, 9, 4), 0),
    ],
)
def test_of_one_layer(layer, shape, expected):
    assert multiply_adds(keras.Sequential([keras.Input(shape), layer])) == expected


def test_of_a_model_within_a_model():
    inner = keras.Sequential([keras.Input((5,)), layers.Dense(7)])
    assert multiply_adds(keras.Sequential([keras.Input((5,)), inner, layers.Dense(2)])) == 35 + 14


def test_other_layers_with_weights_are_refused():
    network = keras.Sequential([keras.Input((5, 4)), layers.LSTM(3, name="memory")])
    with pytest.raises(ValueError, match="received the layer memory, a LSTM; expected"):
        multiply_adds(network)


def test_strided_net_by_hand():
    stem = 45 * 45 * 16 * 7 * 7 * 3
    pairs = sum(
        9 * (side * side * before * filters + half * half * filters * filters)
        for side, half, before, filters in ((45, 23, 16, 32), (23, 12, 32, 64), (12, 6, 64, 128))
    )
    dense = 6 * 6 * 128 * 512 + 512 * 4
    assert multiply_adds(build_model("strided_net", 96, 96, 3, 4)) == stem + pairs + dense


@pytest.mark.parametrize("name", ["strided_net", "residual"])
def test_is_what_the_profiler_counts(name):
    network = build_model(name, 24, 24, 3, 4)
    assert 2 * multiply_adds(network) == profiled(network)


def profiled(network):
    """The floating point operations of convolutions and matrix products, for one image."""
    images = tf.TensorSpec((1, *network.input_shape[1:]), tf.float32)
    function = tf.function(lambda x: network(x, training=False)).get_concrete_function(images)
    frozen = convert_variables_to_constants_v2(function)
    profiler = tf.compat.v1.profiler
    options = (
        profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation())
        .with_empty_output()
        .with_accounted_types(["Conv2D", "MatMul"])
        .build()
    )
    return profiler.profile(frozen.graph, cmd="op", options=options).total_float_ops
