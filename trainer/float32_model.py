"""The same network in plain float32, whatever the run was trained in."""

from typing import Any

import keras


def float32_model(model: keras.Model) -> keras.Model:
    """A copy of a model that computes in float32, in one process.

    Mixed precision and batch normalization over several replicas are of the training; machines
    that the model is sent to may have neither. The weights are float32 under every policy of
    `--precision`, so that none is rounded.

    Args:
        model: A Sequential or functional model of Keras' own layers.

    Returns:
        A model with the same layers and weights of its own.
    """
    copy = type(model).from_config(_in_float32(model.get_config()))
    copy.set_weights(model.get_weights())
    return copy


def _in_float32(config: Any) -> Any:
    """A configuration, as deep as it goes, with other policies and plain batch normalization."""
    if isinstance(config, list | tuple):
        return type(config)(_in_float32(value) for value in config)
    if not isinstance(config, dict):
        return config
    inner = {name: _in_float32(value) for name, value in config.items()}
    if inner.get("class_name") == "DTypePolicy":
        return {**inner, "config": {**inner["config"], "name": "float32"}}
    if inner.get("class_name") == "BatchNormalization":
        return {**inner, "config": {**inner["config"], "synchronized": False}}
    return inner
