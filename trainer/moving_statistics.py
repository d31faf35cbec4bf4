"""Batch normalization's moving means and variances, on all replicas."""

import keras
import tensorflow as tf


class MovingStatistics:
    """The moving statistics of a model as one vector.

    Keras updates them on each replica from that replica's examples, and only where layers are
    synchronized to the same values.

    Args:
        model: Whose layers they are of.

    Attributes:
        size: Of the vector.
    """

    def __init__(self, model: keras.Model) -> None:
        layers = [
            layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)
        ]
        variables = [(layer, v) for layer in layers for v in layer.non_trainable_variables]
        self._variables = [variable.value for _, variable in variables]
        self._sizes = [variable.shape[0] for _, variable in variables]
        self._names = [layer.name for layer, v in variables for _ in range(v.shape[0])]
        self.size = sum(self._sizes)

    def read(self) -> tf.Tensor:
        """What this replica holds, float32 (size,); call it in replica context."""
        if not self._variables:
            return tf.zeros([0])
        return tf.concat([variable.read_value() for variable in self._variables], axis=0)

    def write(self, values: tf.Tensor) -> None:
        """Sets what this replica holds; call it in replica context."""
        parts = tf.split(values, self._sizes) if self._variables else []
        for variable, part in zip(self._variables, parts, strict=True):
            variable.assign(part)

    def layer_of(self, place: int) -> str:
        """The name of the layer that an element of the vector belongs to."""
        return self._names[place]
