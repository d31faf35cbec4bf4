"""The training pass in fewer operations against Keras' own: answers, gradients, statistics."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from model.choices import NetworkChoices, StridedNetChoices
from model.registry import NETWORKS, build_model
from trainer.training_model import ByteDropout, FusedBatchNormalization, training_model

pytestmark = pytest.mark.numerics

layers = keras.layers


def stand_ins(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


def pass_of(model, forward, images):
    """Answers, gradients and what the batch normalization has become."""
    with tf.GradientTape() as tape:
        answers = forward(images, training=True)
        loss = tf.reduce_sum(answers[:, 0] ** 2)
    gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    return [answers, *gradients, *model.non_trainable_variables]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_pass_is_that_of_the_model(name):
    images = np.random.default_rng(1).random((6, 40, 48, 3), dtype=np.float32)
    passes = []
    for make in (lambda model: model, training_model):
        keras.utils.set_random_seed(0)
        choices = NetworkChoices(dense_dropout=0.0)
        if name == "strided_net":
            choices = StridedNetChoices(dense_dropout=0.0, dropout=0.0)
        model = build_model(name, 48, 40, 3, 4, choices=choices)
        forward = make(model)
        passes.append(pass_of(model, forward, images))
    assert stand_ins(forward, FusedBatchNormalization)
    for got, expected in zip(*passes, strict=True):
        # Deep networks with relu, whose slope jumps where rounding changes a sign; a layer that is
        # left out or has another formula changes a tenth and more.
        error = np.linalg.norm(np.array(got) - np.array(expected))
        assert error < 1e-2 * np.linalg.norm(np.array(expected)) + 1e-4


@pytest.mark.parametrize("name", ["strided_net", "residual"])
def test_it_leaves_the_model_as_it_was(name):
    model = build_model(name, 32, 32, 3, 4)
    config = model.get_config()
    training_model(model)
    assert model.get_config() == config


def test_it_has_the_variables_of_the_model():
    model = build_model("strided_net", 32, 32, 3, 4)
    twin = training_model(model)
    assert len(stand_ins(twin, FusedBatchNormalization)) == 6  # that of the dense layer stays
    assert len(stand_ins(twin, ByteDropout)) == 4
    assert {id(v) for v in twin.variables} == {id(v) for v in model.variables}


def test_in_half_precision_the_statistics_are_float32(needs_precision):
    needs_precision("mixed_bfloat16")
    model = keras.Sequential(
        [keras.Input((4, 4, 3)), layers.BatchNormalization(dtype="mixed_bfloat16")]
    )
    images = np.random.default_rng(1).normal(5, 1, (2, 4, 4, 3)).astype("float32")
    answers = training_model(model)(images, training=True)
    assert answers.dtype == "bfloat16"
    # Of the same bfloat16 numbers, added up in float32; the statistics take a hundredth of that.
    seen = tf.cast(tf.cast(images, "bfloat16"), "float32").numpy().reshape(-1, 3)
    moving_mean, moving_variance = model.layers[-1].non_trainable_variables
    np.testing.assert_allclose(moving_mean, 0.01 * seen.mean(axis=0), rtol=1e-4)
    expected = 0.99 + 0.01 * seen.var(axis=0)
    np.testing.assert_allclose(moving_variance, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        layers.BatchNormalization(synchronized=True),
        layers.BatchNormalization(scale=False),
        layers.BatchNormalization(axis=2),
        layers.BatchNormalization(trainable=False),
        layers.Dropout(0.3),
        layers.Dropout(0.0),
        layers.Dropout(0.25, noise_shape=(None, 1, 1, 3)),
        layers.SpatialDropout2D(0.25),
    ],
)
def test_layers_that_would_not_be_the_same_stay(layer):
    model = keras.Sequential([keras.Input((4, 4, 3)), layer])
    assert training_model(model).layers == [layer]


@pytest.mark.parametrize("rate", [0.25, 0.5])
def test_dropout_keeps_its_share_and_the_mean_and_draws_anew(rate):
    model = keras.Sequential([keras.Input((33, 31, 7)), layers.Dropout(rate, seed=1)])
    twin = training_model(model)
    ones = np.ones((3, 33, 31, 7), "float32")
    first, second = (np.array(twin(ones, training=True)) for _ in range(2))
    assert set(np.unique(first)) == {0, np.float32(1 / (1 - rate))}
    assert abs((first == 0).mean() - rate) < 0.015  # five standard deviations are 0.017
    both = ((first == 0) & (second == 0)).mean()
    assert abs(both - rate**2) < 0.015
    np.testing.assert_array_equal(twin(ones, training=False), ones)
    keras.utils.set_random_seed(0)
    again = keras.Sequential([keras.Input((33, 31, 7)), layers.Dropout(rate, seed=1)])
    np.testing.assert_array_equal(training_model(again)(ones, training=True), first)
