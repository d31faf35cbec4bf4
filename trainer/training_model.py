"""A model's training pass in fewer and cheaper operations: same layers, weights and mathematics."""

import keras
import tensorflow as tf

BYTE_VALUES = 256


def training_model(model: keras.Model) -> keras.Model:
    """A model that does in training what `model` does, and shares all of its variables.

    Of a step of StridedNet as Keras makes it, a third goes into batch normalization, which Keras
    composes of some twenty passes over the features, and into drawing 32 bits for each feature
    that dropout may drop. Here TensorFlow's fused batch normalization takes the place of the
    first, and 8 bits that of the 32. Layers for which this is not the same stay as they are.

    Args:
        model: A Sequential or functional model of Keras' own layers, built; those that are not
            trainable are so by now. It stays as it is: it is what is evaluated and saved.
    """
    return keras.models.clone_model(model, clone_function=_in_training)


def _in_training(layer: keras.layers.Layer) -> keras.layers.Layer:
    if FusedBatchNormalization.can_stand_for(layer):
        return FusedBatchNormalization(layer)
    return ByteDropout(layer) if ByteDropout.can_stand_for(layer) else layer


class _StandIn(keras.layers.Layer):
    """Computes what another layer does, with that layer's variables and none of its own.

    Args:
        layer: Built.
    """

    def __init__(self, layer: keras.layers.Layer) -> None:
        super().__init__(name=layer.name, dtype=layer.dtype_policy)
        self.layer = layer

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Nothing is left to build."""

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return self.layer.compute_output_shape(input_shape)


class FusedBatchNormalization(_StandIn):
    """Batch normalization of feature maps in one operation, and one for its gradient.

    Where the features are half precision they are read and written as that; the statistics are
    float32 and computed in it, as in Keras.
    """

    @staticmethod
    def can_stand_for(layer: keras.layers.Layer) -> bool:
        """Whether it is the same: of maps, over the channels, of one replica's examples."""
        # Not all versions of Keras have `renorm`: that for Python 3.10 has not.
        return (
            isinstance(layer, keras.layers.BatchNormalization)
            and len(layer.input.shape) == 4
            and layer.axis in (-1, 1, 3)
            and layer.center
            and layer.scale
            and layer.trainable
            and not (getattr(layer, "renorm", False) or layer.synchronized)
        )

    def call(self, inputs: tf.Tensor, training: bool = False, mask: None = None) -> tf.Tensor:
        layer = self.layer
        if not training:
            return layer(inputs, training=False)
        features, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(layer.gamma),
            offset=tf.convert_to_tensor(layer.beta),
            mean=[],
            variance=[],
            epsilon=layer.epsilon,
            data_format="NCHW" if layer.axis == 1 else "NHWC",
            is_training=True,
        )
        # TensorFlow gives the variance of the population that the batch is a sample of; Keras
        # keeps that of the batch.
        count = tf.cast(tf.size(inputs) // tf.size(mean), variance.dtype)
        variance *= (count - 1.0) / count
        for moving, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            moving.assign(moving * layer.momentum + value * (1.0 - layer.momentum))
        return features


class ByteDropout(_StandIn):
    """Dropout that draws one byte for each feature."""

    @staticmethod
    def can_stand_for(layer: keras.layers.Layer) -> bool:
        """Whether it is the same: where so many of the values of a byte are the share dropped."""
        return (
            type(layer) is keras.layers.Dropout  # its subclasses drop other things
            and layer.noise_shape is None
            and layer.rate > 0  # with 0 it draws nothing
            and layer.rate * BYTE_VALUES % 1 == 0
        )

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        layer = self.layer
        if not training:
            return inputs
        size = tf.size(inputs)
        seed = tf.cast(tf.convert_to_tensor(layer.seed_generator.next()), tf.int32)
        words = tf.random.stateless_uniform([(size + 3) // 4], seed, None, None, tf.uint32)
        drawn = tf.reshape(tf.bitcast(words, tf.uint8), [-1])[:size]
        kept = drawn >= tf.constant(int(layer.rate * BYTE_VALUES), tf.uint8)
        scaled = inputs * (1.0 / (1.0 - layer.rate))
        return tf.where(tf.reshape(kept, tf.shape(inputs)), scaled, tf.zeros([], inputs.dtype))
