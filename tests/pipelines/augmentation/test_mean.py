"""The mean of an image against NumPy's, and its exactness."""

import numpy as np

from pipelines.augmentation.color import image_mean


def test_mean_equals_numpys():
    images = np.random.default_rng(1).random((5, 40, 60, 3), dtype=np.float32)
    means = image_mean(images).numpy()
    assert means.shape == (5, 1, 1, 3)
    expected = images.astype(np.float64).mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(means, expected, atol=1e-6)


def test_mean_does_not_depend_on_the_order_of_the_pixels():
    rng = np.random.default_rng(2)
    image = rng.random((97 * 97, 3), dtype=np.float32)
    orders = np.stack([rng.permutation(image).reshape(97, 97, 3) for _ in range(20)])
    means = image_mean(orders).numpy()
    np.testing.assert_array_equal(means, np.broadcast_to(means[:1], means.shape))


def test_mean_of_a_large_image_does_not_overflow():
    np.testing.assert_array_equal(image_mean(np.ones((1, 256, 2048, 1), np.float32)), 1.0)
