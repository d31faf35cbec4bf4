"""Grad-CAM against what it must be, for models of every kind that Keras has."""

import functools

import keras
import numpy as np
import pytest
from keras import layers, ops

from model.strided_net import build_strided_net
from tests.testing.rounding import (
    answers_and_control,
    assert_same_answers,
    assert_same_but_for_rounding,
)
from trainer.judging.grad_cam import activation_maps

pytestmark = pytest.mark.numerics

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
CLASSES = np.array([0, 1, 2, 1])


@pytest.fixture(autouse=True)
def same_weights():
    keras.utils.set_random_seed(1)


def convolution(filters=6):
    return layers.Conv2D(filters, 3, padding="same", activation="relu", name="last")


def head(kind):
    """Classes from features of any shape, each with the softmax in another place."""
    if kind == "dense":
        return [layers.Dense(3, activation="softmax", name="classes", dtype="float32")]
    softmax = layers.Softmax() if kind == "layer" else layers.Activation("softmax", dtype="float32")
    return [layers.Dense(3, name="classes"), softmax]


def sequential(kind="activation"):
    return keras.Sequential([keras.Input((16, 16, 3)), convolution(), *mean(), *head(kind)])


def mean(**keywords):
    """Over all places, of which one is left that says nothing of where."""
    pool = layers.GlobalAveragePooling2D(keepdims=True, **keywords)
    return [pool, layers.Activation("linear"), layers.Flatten()]


def class_activation_maps(model, images, classes):
    """B. Zhou et al. (arXiv:1512.04150): of a mean over places, Grad-CAM is the sum of the
    activations with the classes' weights."""
    kernel = model.get_layer("classes").kernel.numpy()
    features = keras.Model(model.inputs[0], model.get_layer("last").output)
    values = np.asarray(features(images / np.float32(255)), np.float32)
    maps = np.maximum(np.einsum("nhwc,nc->nhw", values, kernel.T[classes]), 0)
    return maps / np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-9)


@pytest.mark.parametrize("kind", ["activation", "dense", "layer"])
def test_of_a_mean_over_places_it_is_the_class_activation_map(kind):
    model = sequential(kind)
    maps = activation_maps(model, IMAGES, CLASSES)
    assert_same_answers(maps, lambda: class_activation_maps(model, IMAGES, CLASSES), model)
    assert maps.min() >= 0 and (maps.max(axis=(1, 2)) == 1).sum() > 1


def test_a_model_that_is_sure_has_slopes_still():
    model = sequential("dense")
    model.get_layer("classes").bias.assign([200.0, 0, 0])
    first = np.zeros(4, int)
    maps = activation_maps(model, IMAGES, first)
    assert_same_answers(maps, lambda: class_activation_maps(model, IMAGES, first), model)


def test_a_frozen_model():
    model = sequential()
    expected = activation_maps(model, IMAGES, CLASSES)
    model.trainable = False
    np.testing.assert_array_equal(activation_maps(model, IMAGES, CLASSES), expected)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_near_float32(policy, needs_precision):
    """Of the layers before the convolution's activation nothing is asked but values."""
    needs_precision(policy)
    model = sequential()
    expected = activation_maps(model, IMAGES, CLASSES)
    keras.config.set_dtype_policy(policy)
    mixed = sequential()
    mixed.set_weights(model.get_weights())
    # bfloat16 has 8 bits: 0.004 of each number on the way.
    np.testing.assert_allclose(activation_maps(mixed, IMAGES, CLASSES), expected, atol=0.05)


def residual():
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(6, 3, padding="same")(inputs)
    y = layers.BatchNormalization()(layers.Conv2D(6, 3, padding="same")(x))
    x = layers.Activation("relu", name="last")(layers.Add()([x, y]))
    return inputs, layers.GlobalAveragePooling2D()(x)


def inception():
    inputs = keras.Input((16, 16, 3))
    branches = [layers.Conv2D(3, k, padding="same", activation="relu")(inputs) for k in (1, 3)]
    x = layers.Concatenate(name="last")(branches)
    return inputs, layers.GlobalAveragePooling2D()(x)


def nested():
    inner = keras.Sequential([keras.Input((16, 16, 3)), layers.Conv2D(6, 3), layers.ReLU()])
    inputs = keras.Input((16, 16, 3))
    return inputs, layers.GlobalAveragePooling2D()(inner(inputs))


def pooled():
    """As VGG: the last activation is before the last pooling, which halves it."""
    inputs = keras.Input((16, 16, 3))
    x = layers.MaxPooling2D()(convolution()(inputs))
    return inputs, layers.Flatten()(x)


@pytest.mark.parametrize(
    ("make", "side"), [(residual, 16), (inception, 16), (nested, 14), (pooled, 16)]
)
def test_functional_models(make, side):
    inputs, features = make()
    x = layers.Dense(3, name="classes")(features)
    model = keras.Model(inputs, layers.Activation("softmax")(x))
    maps = activation_maps(model, IMAGES, CLASSES)
    assert maps.shape == (4, side, side)
    assert np.isfinite(maps).all() and (maps.max(axis=(1, 2)) > 0).any()
    if make in (residual, inception):
        assert_same_answers(maps, lambda: class_activation_maps(model, IMAGES, CLASSES), model)


def test_leaves_the_model_as_it_was(tmp_path):
    model = sequential()
    before = model(IMAGES / np.float32(255)).numpy()
    activation_maps(model, IMAGES, CLASSES)
    np.testing.assert_array_equal(model(IMAGES / np.float32(255)).numpy(), before)
    assert not any("call" in vars(layer) for layer in model.layers)
    model.save(tmp_path / "model.keras")


def test_a_model_without_a_convolution():
    model = keras.Sequential([keras.Input((16, 16, 3)), layers.Flatten(), *head("dense")])
    assert activation_maps(model, IMAGES, CLASSES) is None


class ChannelsFirst(layers.Conv2D):
    """The convolution of channels first, which TensorFlow does not have on a CPU."""

    def call(self, inputs):
        last = ops.transpose(inputs, (0, 2, 3, 1))
        gave = ops.conv(last, self.kernel, padding="same", data_format="channels_last")
        return ops.relu(ops.transpose(gave, (0, 3, 1, 2)))


def test_channels_first(monkeypatch):
    like = sequential()
    like.get_layer("last").bias.assign([0.0] * 6)
    ask = functools.partial(class_activation_maps, like, IMAGES, CLASSES)
    expected, control = answers_and_control(ask, like)
    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    keywords = {"padding": "same", "data_format": "channels_first"}
    stack = [ChannelsFirst(6, 3, **keywords), *mean(data_format="channels_first")]
    model = keras.Sequential([keras.Input((3, 16, 16)), *stack, *head("activation")])
    model.set_weights(like.get_weights())
    maps = activation_maps(model, IMAGES, CLASSES)
    assert_same_but_for_rounding([maps], [expected], [control], [np.zeros_like(expected)])


def test_strided_net_looks_at_its_last_convolutions():
    images = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 3), np.uint8)
    maps = activation_maps(build_strided_net(48, 48, 3, 3), images, np.array([0, 2]))
    assert maps.shape == (2, 3, 3)
