"""The TensorFlow graph that is exported: from images, or from files of images, to an answer."""

import functools

import keras
import tensorflow as tf

from pipelines.loading.decode import CHANNELS, decode_batch
from trainer.model_description import ModelDescription

_PNG_START = b"\x89PNG\r\n\x1a\n"
_NO_IMAGE = (
    "received bytes that are neither JPEG nor PNG, expected images as files hold them; they stand "
    "in the batch at"
)


class Graph(tf.Module):
    """Functions of the model and its training preprocessing, with no Python left in them.

    Args:
        model: In float32, from images to class probabilities.
        description: Its classes and images.

    Attributes:
        probabilities: float32 images in [0, 1], (batch, size, size, 3) -> 'probabilities', float32
            (batch, classes).
        encoded_images: strings (batch,), JPEG or PNG files -> 'class_names', string (batch,), the
            most probable of each; 'probability', float32 (batch,); 'probabilities'.
        class_names: nothing -> 'class_names', string (classes,), in the order of the outputs.
    """

    def __init__(self, model: keras.Model, description: ModelDescription) -> None:
        super().__init__(name="exported")
        # The model itself would be saved beside its weights, with a second copy of them.
        self._weights = [variable.value for variable in model.weights]
        self._call = functools.partial(model, training=False)
        self._description = description
        size = description.image_size
        images = tf.TensorSpec([None, size, size, CHANNELS], tf.float32, name="images")
        encoded = tf.TensorSpec([None], tf.string, name="encoded")
        self.probabilities = tf.function(self._probabilities, [images], autograph=False)
        self.encoded_images = tf.function(self._encoded_images, [encoded], autograph=False)
        self.class_names = tf.function(self._class_names, [], autograph=False)

    def _probabilities(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": self._call(images)}

    def _encoded_images(self, encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        size, ratio = self._description.image_size, self._description.decode_ratio
        with tf.control_dependencies([_all_are_images(encoded)]):
            pixels = decode_batch(tf.identity(encoded), size, ratio)
        answer = self._probabilities(tf.cast(pixels, tf.float32) / 255)
        probabilities = answer["probabilities"]
        names = tf.gather(self._class_names()["class_names"], tf.argmax(probabilities, axis=1))
        return {
            "class_names": names,
            "probability": tf.reduce_max(probabilities, axis=1),
            "probabilities": probabilities,
        }

    def _class_names(self) -> dict[str, tf.Tensor]:
        return {"class_names": tf.constant(self._description.class_names)}


def _all_are_images(encoded: tf.Tensor) -> tf.Operation:
    """Fails with the places of what is neither JPEG nor PNG, the only kinds in a set of shards.

    TensorFlow's own message does not say which of a batch it means, and it would read GIF, BMP
    and WebP, which training never did.
    """
    is_png = tf.equal(tf.strings.substr(encoded, 0, len(_PNG_START)), _PNG_START)
    is_image = tf.logical_or(tf.io.is_jpeg(encoded), is_png)
    places = tf.reshape(tf.where(tf.logical_not(is_image)), [-1])
    return tf.debugging.Assert(tf.reduce_all(is_image), [_NO_IMAGE, places])
