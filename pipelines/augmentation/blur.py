"""Random Gaussian blur, as of a lens out of focus."""

import tensorflow as tf

from pipelines.augmentation.rng import Draw


def blur(images: tf.Tensor, draws: tf.Tensor, greatest: float) -> tf.Tensor:
    """Blurs every second image, on average, by a standard deviation uniform in (0, greatest].

    Args:
        images: float32 of shape (batch, height, width, channels).
        draws: float32 of shape (batch, DRAWS_PER_EXAMPLE).
        greatest: In pixels, above 0.

    Returns:
        The same shape and range.
    """
    sigma = tf.maximum(2.0 * tf.cast(draws[:, Draw.BLUR], tf.float64) - 1.0, 0.0) * greatest
    return gaussian_blur(images, sigma)


def gaussian_blur(images: tf.Tensor, sigma: tf.Tensor) -> tf.Tensor:
    """Blurs each image by a Gaussian of its own; at the edges, of what lies within the image.

    As two products of matrices, which XLA leaves as they are: of sums of shifted images, one
    along each axis, it would compute the first again for each term of the second.

    Args:
        images: float32 of shape (batch, height, width, channels).
        sigma: float64 of shape (batch,), standard deviations in pixels; with 0, each pixel
            takes all of itself.
    """
    height, width = images.shape[1:3]
    blurred = tf.einsum("bij,bjwc->biwc", _shares(sigma, height), images)
    return tf.einsum("bij,bhjc->bhic", _shares(sigma, width), blurred)


def _shares(sigma: tf.Tensor, size: int) -> tf.Tensor:
    """float32 (batch, size, size), what each pixel of a line takes of each; rows of sum 1."""
    places = tf.range(size, dtype=tf.float64)
    # A number to divide by that leaves nothing to the neighbours.
    spread = tf.maximum(sigma, 1e-3)[:, None, None]
    weights = tf.exp(-0.5 * ((places[:, None] - places) / spread) ** 2)
    return tf.cast(weights / tf.reduce_sum(weights, axis=2, keepdims=True), tf.float32)
