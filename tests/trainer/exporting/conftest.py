"""A finished run of a small model with the layers that exports must be able to carry."""

import json

import keras
import pytest

from trainer.model_description import ModelDescription, load_description
from trainer.run_data import find_data
from trainer.trained_model import save_trained_model

SIZE = 16
CLASS_NAMES = ("circles", "línes", "squares")


def varied_model(policy="float32"):
    """All kinds of layers and activations of this project's networks, and their neighbours."""
    layers = keras.layers
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(policy)
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(8, 7, strides=2)(inputs)
    x = layers.BatchNormalization(synchronized=True)(layers.LeakyReLU()(x))
    branches = [
        layers.Activation(name)(layers.Conv2D(4, size, padding="same")(x))
        for name, size in (("elu", 1), ("gelu", 3), ("silu", 5), ("tanh", 3), ("leaky_relu", 1))
    ]
    x = layers.Concatenate()([*branches, layers.MaxPooling2D(2, strides=1, padding="same")(x)])
    shortcut = layers.Conv2D(8, 1, strides=2)(x)
    x = layers.SpatialDropout2D(0.1)(layers.DepthwiseConv2D(3, padding="same")(x))
    x = layers.Conv2D(8, 3, strides=2, padding="same", kernel_regularizer="l2")(x)
    x = layers.Activation("relu")(layers.Add()([x, shortcut]))
    pooled = layers.GlobalAveragePooling2D()(x)
    flat = layers.Dense(6, activation="relu")(layers.Flatten()(layers.AveragePooling2D(2)(x)))
    x = layers.Dropout(0.5)(layers.Concatenate()([pooled, flat]))
    x = layers.Dense(len(CLASS_NAMES))(x)
    return keras.Model(inputs, layers.Activation("softmax", dtype="float32")(x))


@pytest.fixture(scope="session")
def make_run(tmp_path_factory, data_dir):
    """Makes a finished run, without the training, of a model and a policy."""

    def make(model=None, policy="float32", decode_ratio=1):
        model = model or varied_model(policy)
        keras.config.set_dtype_policy("float32")
        run_dir = tmp_path_factory.mktemp("run")
        description = ModelDescription(
            "varied", CLASS_NAMES, SIZE, decode_ratio, "shapes", "0123abcd" * 8, policy, 0, 0
        )
        save_trained_model(run_dir, model, description)
        (run_dir / "config.json").write_text(json.dumps({"data_dir": str(data_dir)}))
        return run_dir

    return make


@pytest.fixture(scope="session")
def run_dir(make_run):
    """A run in float32."""
    return make_run()


@pytest.fixture(scope="session")
def source(run_dir):
    """The data of the run."""
    return find_data(run_dir, load_description(run_dir), None)
