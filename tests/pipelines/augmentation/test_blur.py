"""Random blur against SciPy's Gaussian."""

import numpy as np
import tensorflow as tf
from scipy import ndimage

from pipelines.augmentation.color import blur, gaussian_blur
from pipelines.augmentation.rng import DRAWS_PER_EXAMPLE, Draw

IMAGES = np.random.default_rng(1).random((6, 20, 31, 3), dtype=np.float32)


def scipy_blur(image, sigma):
    """Beyond the edges nothing counts: zeros there, over what the weights within come to."""
    spread = (sigma, sigma, 0)
    weights = ndimage.gaussian_filter(np.ones_like(image), spread, mode="constant", truncate=8)
    return ndimage.gaussian_filter(image, spread, mode="constant", truncate=8) / weights


def test_it_is_that_of_scipy():
    sigma = np.array([0.0, 0.1, 0.4, 1.0, 1.7, 2.0])
    blurred = gaussian_blur(tf.constant(IMAGES), tf.constant(sigma)).numpy()
    np.testing.assert_array_equal(blurred[0], IMAGES[0])
    for image, result, spread in list(zip(IMAGES, blurred, sigma, strict=True))[1:]:
        np.testing.assert_allclose(result, scipy_blur(image, spread), atol=1e-5)


def test_every_second_image_is_blurred_by_up_to_the_greatest():
    images = tf.constant(np.repeat(IMAGES[:1], 5, axis=0))
    draws = np.zeros((5, DRAWS_PER_EXAMPLE), np.float32)
    draws[:, Draw.BLUR] = [0.0, 0.3, 0.5, 0.75, 1.0]
    blurred = blur(images, tf.constant(draws), 2.0)
    sigma = tf.constant([0.0, 0.0, 0.0, 1.0, 2.0], tf.float64)
    np.testing.assert_array_equal(blurred, gaussian_blur(images, sigma))
