"""Keras' global settings are its defaults, whatever a test sets."""

import keras
import pytest


@pytest.fixture(autouse=True)
def keras_settings():
    """Leaves Keras' global settings as they were."""
    policy, data_format = keras.config.dtype_policy(), keras.config.image_data_format()
    yield
    keras.config.set_dtype_policy(policy)
    keras.config.set_image_data_format(data_format)
