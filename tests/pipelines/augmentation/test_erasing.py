"""Random erasing against a loop in NumPy."""

import math

import numpy as np
import pytest
import tensorflow as tf

from pipelines.augmentation.color import erase, erasing_boxes
from pipelines.augmentation.rng import DRAWS_PER_EXAMPLE, Draw


def random_draws(count, seed):
    return np.random.default_rng(seed).random((count, DRAWS_PER_EXAMPLE), dtype=np.float32)


def erased_by_hand(image, draws, probability):
    """One image at a time, in Python's own numbers."""
    if draws[Draw.ERASED] >= probability:
        return image
    height, width = image.shape[:2]
    area = (0.02 + 0.31 * float(draws[Draw.ERASED_AREA])) * height * width
    aspect = 0.3 * (3.3 / 0.3) ** float(draws[Draw.ERASED_ASPECT])
    tall = min(height, math.floor(math.sqrt(area * aspect) + 0.5))
    wide = min(width, math.floor(math.sqrt(area / aspect) + 0.5))
    top = math.floor(float(draws[Draw.ERASED_Y]) * (height - tall + 1))
    left = math.floor(float(draws[Draw.ERASED_X]) * (width - wide + 1))
    result = image.copy()
    result[top : top + tall, left : left + wide] = image.mean(axis=(0, 1), dtype=np.float64)
    return result


@pytest.mark.parametrize(("height", "width"), [(96, 96), (17, 60), (60, 17)])
def test_erasing_equals_a_loop_over_images(height, width):
    images = np.random.default_rng(1).random((200, height, width, 3), dtype=np.float32)
    draws = random_draws(200, seed=2)
    result = erase(tf.constant(images), tf.constant(draws), 0.6)
    expected = np.stack([erased_by_hand(images[i], draws[i], 0.6) for i in range(200)])
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_the_probability_is_kept():
    images = np.random.default_rng(3).random((5000, 8, 8, 1), dtype=np.float32)
    draws = random_draws(5000, seed=4)
    for probability in (0.0, 0.25, 1.0):
        changed = np.any(erase(images, draws, probability).numpy() != images, axis=(1, 2, 3))
        assert abs(changed.mean() - probability) < 0.02


def test_boxes_lie_in_the_image_and_have_the_areas_and_shapes_published():
    boxes = erasing_boxes(random_draws(5000, seed=5), 200, 200)
    top, left, bottom, right = (edge.numpy() for edge in boxes)
    assert top.min() == left.min() == 0
    assert bottom.max() == right.max() == 200
    area = (bottom - top) * (right - left) / 200**2
    assert 0.019 < area.min() < 0.025
    assert 0.3 < area.max() < 0.34
    aspect = (bottom - top) / (right - left)
    assert 0.28 < aspect.min() < 0.32
    assert 3.1 < aspect.max() < 3.5
    assert abs(np.log(aspect).mean()) < 0.03


def test_a_box_is_cut_to_fit_a_narrow_image():
    boxes = erasing_boxes(random_draws(500, seed=6), 10, 100)
    assert np.max(boxes.bottom - boxes.top) == 10
    assert np.min(boxes.top) == 0
    assert np.max(boxes.bottom) == 10


def test_compiled_boxes_have_the_same_edges():
    draws = tf.constant(random_draws(20000, seed=7))
    compiled = tf.function(lambda draws: erasing_boxes(draws, 96, 97), jit_compile=True)
    np.testing.assert_array_equal(compiled(draws), erasing_boxes(draws, 96, 97))
