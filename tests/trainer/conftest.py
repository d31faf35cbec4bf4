"""Two logical CPU devices, so that several replicas can be tested on one processor."""

import keras
import pytest
import tensorflow as tf

from tests.small_network import build_small

# Before anything uses TensorFlow: afterwards its devices can no longer be changed.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.fixture
def small_network(monkeypatch):
    """What is trained in this process is a network that is ready in a fraction of the time."""
    monkeypatch.setattr("trainer.loop_setup.build_model", build_small)


@pytest.fixture(autouse=True)
def keras_policy():
    """Keras' global dtype policy is its default, whatever runs in fixtures of a module have set."""
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy("float32")
