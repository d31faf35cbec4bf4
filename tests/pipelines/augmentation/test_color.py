"""Colour changes against Pillow, colorsys and `tf.image`."""

import colorsys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance

from pipelines.augmentation.color import (
    adjust_brightness,
    adjust_contrast,
    adjust_saturation,
    jitter_color,
    shift_hue,
)
from pipelines.augmentation.config import Augmentation
from pipelines.augmentation.rng import DRAWS_PER_EXAMPLE, Draw

ALL = Augmentation(brightness=0.4, contrast=0.5, saturation=0.6, hue=0.2)
EDGE_COLOURS = np.array(
    [
        *((r, g, b) for r in (0, 1) for g in (0, 1) for b in (0, 1)),
        *((0.5, 0.5, 0.5), (1, 0.5, 0.5), (0.5, 1, 0.5), (0.25, 0.75, 0.75), (0.7, 0.2, 0.7)),
    ],
    np.float32,
)


def pictures(count=4, size=24, seed=1):
    """Pictures of several contrasts, with the corners and edges of the colour cube in them."""
    images = np.random.default_rng(seed).random((count, size, size, 3), dtype=np.float32)
    images *= np.linspace(0.2, 1.0, count, dtype=np.float32)[:, None, None, None]
    images[:, 0, : len(EDGE_COLOURS)] = EDGE_COLOURS
    return images


@pytest.mark.parametrize("factor", [0.0, 0.3, 1.0, 1.7])
@pytest.mark.parametrize(
    ("adjust", "enhancer"),
    [
        (adjust_brightness, ImageEnhance.Brightness),
        (adjust_contrast, ImageEnhance.Contrast),
        (adjust_saturation, ImageEnhance.Color),
    ],
)
def test_a_factor_does_what_it_does_in_pillow(adjust, enhancer, factor):
    pixels = (pictures() * 255).astype(np.uint8)
    adjusted = adjust(tf.constant(pixels / 255, tf.float32), tf.fill([len(pixels)], factor))
    expected = [np.asarray(enhancer(Image.fromarray(image)).enhance(factor)) for image in pixels]
    # Pillow rounds greys, means and results to whole levels.
    np.testing.assert_allclose(adjusted * 255, np.stack(expected), atol=2.0)


@pytest.mark.parametrize("shift", [-0.5, -0.21, 0.0, 0.1, 1 / 3, 0.5])
def test_hue_is_shifted_as_in_colorsys_and_in_tensorflow(shift):
    images = pictures(count=2)

    def shifted(pixel):
        hue, saturation, value = colorsys.rgb_to_hsv(*(float(channel) for channel in pixel))
        return colorsys.hsv_to_rgb((hue + shift) % 1, saturation, value)

    expected = np.apply_along_axis(shifted, -1, images)
    result = shift_hue(tf.constant(images), tf.fill([2], shift))
    np.testing.assert_allclose(result, expected, atol=1e-5)
    np.testing.assert_allclose(result, tf.image.adjust_hue(images, shift), atol=1e-5)


@pytest.mark.parametrize("adjust", [adjust_brightness, adjust_contrast, adjust_saturation])
def test_every_image_has_a_factor_and_a_mean_of_its_own(adjust):
    images, factors = pictures(), np.array([0.2, 0.9, 1.1, 1.6], np.float32)
    together = adjust(tf.constant(images), factors)
    for index in range(len(images)):
        alone = adjust(images[index : index + 1], factors[index : index + 1])
        np.testing.assert_array_equal(together[index : index + 1], alone)


def test_jitter_is_the_four_changes_in_order_with_factors_in_their_ranges():
    images = pictures()
    draws = np.random.default_rng(3).random((4, DRAWS_PER_EXAMPLE), dtype=np.float32)
    draws[:2, Draw.BRIGHTNESS : Draw.HUE + 1] = [[0] * 4, [1] * 4]
    reach = 2 * draws[:, Draw.BRIGHTNESS : Draw.HUE + 1] - 1

    expected = adjust_brightness(images, 1 + 0.4 * reach[:, 0])
    expected = adjust_contrast(expected, 1 + 0.5 * reach[:, 1])
    expected = adjust_saturation(expected, 1 + 0.6 * reach[:, 2])
    expected = shift_hue(expected, 0.2 * reach[:, 3])

    jittered = jitter_color(tf.constant(images), draws, ALL).numpy()
    np.testing.assert_allclose(jittered, expected, atol=1e-5)
    assert jittered.min() >= 0
    assert jittered.max() <= 1


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_each_range_moves_its_own_draw_only(name):
    images, column = pictures(), Draw[name.upper()]
    draws = np.full((4, DRAWS_PER_EXAMPLE), 0.5, np.float32)
    augmentation = Augmentation(**{name: 0.5})
    np.testing.assert_allclose(jitter_color(images, draws, augmentation), images, atol=1e-6)
    others = np.random.default_rng(4).random(draws.shape, dtype=np.float32)
    others[:, column] = 0.5
    np.testing.assert_allclose(jitter_color(images, others, augmentation), images, atol=1e-6)
    draws[:, column] = 0.1
    assert np.abs(jitter_color(images, draws, augmentation) - images).max() > 0.1


def test_images_are_made_grey_with_their_probability():
    images = tf.constant(pictures())
    draws = np.full((4, DRAWS_PER_EXAMPLE), 0.5, np.float32)
    draws[:, Draw.GREY] = [0.0, 0.29, 0.3, 0.9]
    changed = jitter_color(images, tf.constant(draws), Augmentation(greyscale=0.3)).numpy()
    expected = adjust_saturation(images, tf.zeros(4)).numpy()
    np.testing.assert_allclose(changed[:2], expected[:2], atol=1e-6)
    np.testing.assert_array_equal(changed[2:], images[2:])
