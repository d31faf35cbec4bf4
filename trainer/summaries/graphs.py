"""The model as a graph: of Keras' layers, and of TensorFlow's operations."""

import json
from typing import Any

import keras
import tensorflow as tf


def write_graphs(model: keras.Model) -> None:
    """Writes both graphs of a model, to the writer that is the default."""
    metadata = tf.compat.v1.SummaryMetadata()
    metadata.plugin_data.plugin_name = "graph_keras_model"
    metadata.plugin_data.content = b"1"
    layers = json.dumps(_with_plain_dtypes(json.loads(model.to_json())))
    tf.summary.write("keras", layers, step=0, metadata=metadata)

    @tf.function(autograph=False)
    def predict(images: tf.Tensor) -> tf.Tensor:
        return model(images, training=False)

    images = tf.TensorSpec((None, *model.input_shape[1:]), "float32", name="images")
    tf.summary.graph(predict.get_concrete_function(images).graph.as_graph_def())


def _with_plain_dtypes(value: Any) -> Any:
    """Dtypes where layers have policies: TensorBoard warns of those that it does not know."""
    if isinstance(value, list):
        return [_with_plain_dtypes(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == "DTypePolicy":
        return value["config"]["name"].removeprefix("mixed_")
    return {name: _with_plain_dtypes(item) for name, item in value.items()}
