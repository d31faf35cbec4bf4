"""The fused warp against Keras' legacy generator, SciPy and `tf.image.resize`."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from pipelines.augmentation.affine import AffineParameters, affine, affine_parameters
from pipelines.augmentation.config import Augmentation
from pipelines.augmentation.rng import DRAWS_PER_EXAMPLE, Draw

SIZE = 96
# Wider than the tutorial's ranges: a sign that is wrong for small angles shows in large ones.
WIDE = {"rotation": 60, "width_shift": 0.4, "height_shift": 0.4, "shear": 30, "zoom": 0.4}
STILL = {
    "rotation": 0.0,
    "shift_x": 0.0,
    "shift_y": 0.0,
    "shear": 0.0,
    "zoom_x": 1.0,
    "zoom_y": 1.0,
    "aspect": 1.0,
    "crop_left": 0.0,
    "crop_right": 0.0,
    "crop_top": 0.0,
    "crop_bottom": 0.0,
}


def random_parameters(count, seed, height=SIZE, width=SIZE, **more):
    draws = np.random.default_rng(seed).random((count, DRAWS_PER_EXAMPLE), dtype=np.float32)
    return affine_parameters(tf.constant(draws), Augmentation(**WIDE, **more), height, width)


def constant_parameters(flip=False, **values):
    columns = {
        name: tf.constant([value], tf.float64) for name, value in {**STILL, **values}.items()
    }
    return AffineParameters(**columns, flip=tf.constant([flip]))


def at_index(parameters, index):
    return {name: column.numpy()[index] for name, column in parameters._asdict().items()}


def noise(*shape, seed=1):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def legacy_transform(generator, image, value):
    return generator.apply_transform(
        image,
        {
            "theta": np.rad2deg(value["rotation"]),
            "tx": value["shift_x"],
            "ty": value["shift_y"],
            "shear": np.rad2deg(value["shear"]),
            "zx": value["zoom_x"] * np.sqrt(value["aspect"]),
            "zy": value["zoom_y"] / np.sqrt(value["aspect"]),
            "flip_horizontal": value["flip"],
        },
    )


@pytest.mark.parametrize("kind", ["noise", "gradient"])
def test_warp_equals_the_legacy_generator(kind):
    generator = tf.keras.preprocessing.image.ImageDataGenerator(fill_mode="nearest")
    count = 200
    images = noise(count, SIZE, SIZE, 3)
    if kind == "gradient":
        images = np.tile(np.arange(SIZE)[:, None, None] * 2.0, (count, 1, SIZE, 3))
        images[..., 1] = np.arange(SIZE) * 1.5
    images = images.astype(np.float32)
    parameters = random_parameters(count, seed=2, aspect_jitter=0.8)

    warped = affine(tf.constant(images), parameters).numpy()

    expected = np.stack(
        [legacy_transform(generator, images[i], at_index(parameters, i)) for i in range(count)]
    )
    assert 0 < parameters.flip.numpy().mean() < 1
    np.testing.assert_allclose(warped, expected, atol=0.01, rtol=0)


def cropped(position, size, before, after):
    """Where a position of the cropped image is in the whole one, and the first and last of it."""
    position = (position + 0.5) * (1 - before - after) + before * size - 0.5
    return position, before * size, size - 1 - after * size


def source(height, width, value):
    """`cropped` along x and y for each pixel, matrix by matrix as the docstring of `warp` says."""
    r, h = value["rotation"], value["shear"]
    centre = np.array([[1, 0, (width - 1) / 2], [0, 1, (height - 1) / 2], [0, 0, 1]])
    rotation = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    shift = np.array([[1, 0, value["shift_x"]], [0, 1, value["shift_y"]], [0, 0, 1]])
    shear = np.array([[1, -np.sin(h), 0], [0, np.cos(h), 0], [0, 0, 1]])
    zoom = np.diag([value["zoom_x"], value["zoom_y"], 1])
    aspect = np.diag([np.sqrt(value["aspect"]), 1 / np.sqrt(value["aspect"]), 1])
    mirror = np.array([[-1, 0, width - 1], [0, 1, 0], [0, 0, 1]]) if value["flip"] else np.eye(3)
    matrix = centre @ rotation @ shift @ shear @ zoom @ aspect @ np.linalg.inv(centre) @ mirror
    grid = np.mgrid[:height, :width]
    x, y, _ = np.tensordot(matrix, np.stack([grid[1], grid[0], np.ones((height, width))]), 1)
    return (
        cropped(x, width, value["crop_left"], value["crop_right"]),
        cropped(y, height, value["crop_top"], value["crop_bottom"]),
    )


def scipy_warp(image, value):
    x, y = (np.clip(*axis) for axis in source(*image.shape[:2], value))
    return np.stack(
        [
            ndimage.map_coordinates(plane, [y, x], order=1, mode="nearest")
            for plane in image.T.swapaxes(1, 2)
        ],
        axis=-1,
    )


def is_outside(height, width, value):
    x, y = (
        (position < least - 0.5) | (position > greatest + 0.5)
        for position, least, greatest in source(height, width, value)
    )
    return x | y


def test_warp_with_aspect_and_crop_equals_scipy_on_images_that_are_not_square():
    count, height, width = 100, 60, 90
    images = noise(count, height, width, 3).astype(np.float32)
    parameters = random_parameters(count, 3, height, width, aspect_jitter=0.8, border_crop=0.3)
    warped = affine(tf.constant(images), parameters).numpy()
    expected = np.stack([scipy_warp(images[i], at_index(parameters, i)) for i in range(count)])
    np.testing.assert_allclose(warped, expected, atol=0.01, rtol=0)


def test_outside_is_black_where_asked():
    """As SciPy's constant 0, beyond half a pixel of the edge; inside nothing changes."""
    count, height, width = 60, 60, 90
    images = noise(count, height, width, 3).astype(np.float32) + 1
    parameters = random_parameters(count, 3, height, width, aspect_jitter=0.8, border_crop=0.3)
    black = np.arange(count) % 2 == 0
    nearest = affine(tf.constant(images), parameters).numpy()
    warped = affine(tf.constant(images), parameters, tf.constant(black)).numpy()
    np.testing.assert_array_equal(warped[~black], nearest[~black])
    for i in np.flatnonzero(black):
        outside = is_outside(height, width, at_index(parameters, i))
        np.testing.assert_array_equal(warped[i], np.where(outside[..., None], 0, nearest[i]))
        assert 0 < outside.mean() < 1


def test_crop_is_the_stretched_part_of_the_image():
    images = noise(1, 40, 80, 3)
    parameters = constant_parameters(
        crop_left=8 / 80, crop_right=20 / 80, crop_top=4 / 40, crop_bottom=10 / 40
    )
    expected = tf.image.resize(images[:, 4:-10, 8:-20], [40, 80], method="bilinear")
    np.testing.assert_allclose(affine(tf.constant(images), parameters), expected, atol=0.01)


def test_a_border_that_was_cropped_away_does_not_come_back():
    images = np.full((100, SIZE, SIZE, 3), 255, np.uint8)
    images[:, 24:-24, 24:-24] = 100
    # Every draw of the crop at its greatest: a quarter of 96 pixels, 24, at each side.
    draws = np.random.default_rng(4).random((100, DRAWS_PER_EXAMPLE), dtype=np.float32)
    draws[:, Draw.CROP_LEFT : Draw.CROP_BOTTOM + 1] = 1.0
    parameters = affine_parameters(draws, Augmentation(**WIDE, border_crop=0.25), SIZE, SIZE)
    np.testing.assert_allclose(affine(tf.constant(images), parameters), 100.0, atol=1e-3)


def test_warp_of_uint8_is_not_truncated():
    images, parameters = noise(4, SIZE, SIZE, 3), random_parameters(4, seed=5)
    as_float = affine(tf.constant(images.astype(np.float32)), parameters)
    np.testing.assert_array_equal(affine(tf.constant(images), parameters), as_float)
    assert np.any(as_float.numpy() % 1)


@pytest.mark.parametrize("shape", [(1, 20, 30, 3), (1, 1, 1, 3), (1, 1, 5, 1), (1, 5, 1, 3)])
def test_no_movement_leaves_the_image_alone(shape):
    images = noise(*shape)
    np.testing.assert_array_equal(affine(tf.constant(images), constant_parameters()), images)
    mirrored = affine(tf.constant(images), constant_parameters(flip=True))
    np.testing.assert_array_equal(mirrored, images[:, :, ::-1])


def test_warp_is_the_same_inside_tf_data_where_the_size_of_a_batch_is_unknown():
    images, parameters = noise(3, SIZE, SIZE, 3), random_parameters(3, seed=7)
    dataset = tf.data.Dataset.from_tensor_slices((images, parameters)).batch(8).map(affine)
    np.testing.assert_array_equal(next(iter(dataset)), affine(tf.constant(images), parameters))


def test_parameters_span_their_ranges():
    draws = np.random.default_rng(8).random((20000, DRAWS_PER_EXAMPLE), dtype=np.float32)
    augmentation = Augmentation(aspect_jitter=0.25, border_crop=0.1)
    parameters = affine_parameters(tf.constant(draws), augmentation, 50, SIZE)
    limits = {
        "rotation": (-np.deg2rad(20), np.deg2rad(20)),
        "shift_x": (-0.2 * SIZE, 0.2 * SIZE),
        "shift_y": (-0.2 * 50, 0.2 * 50),
        "shear": (-np.deg2rad(0.15), np.deg2rad(0.15)),
        "zoom_x": (0.85, 1.15),
        "zoom_y": (0.85, 1.15),
        "aspect": (0.8, 1.25),
        "crop_left": (0, 0.1),
        "crop_right": (0, 0.1),
        "crop_top": (0, 0.1),
        "crop_bottom": (0, 0.1),
    }
    for name, (low, high) in limits.items():
        values = getattr(parameters, name).numpy()
        slack = (high - low) * 1e-3
        assert low - 1e-6 <= values.min() < low + slack, name
        assert high - slack < values.max() <= high + 1e-6, name
    assert abs(parameters.flip.numpy().mean() - 0.5) < 0.02
    assert abs(np.log(parameters.aspect.numpy()).mean()) < 0.005


def test_every_parameter_has_a_draw_of_its_own():
    draws = np.random.default_rng(9).random((2000, DRAWS_PER_EXAMPLE), dtype=np.float32)
    parameters = affine_parameters(draws, Augmentation(aspect_jitter=1, border_crop=0.1), 20, 20)
    correlations = np.corrcoef([column.numpy() for column in parameters])
    assert np.abs(correlations - np.eye(len(parameters))).max() < 0.1


def test_flip_can_be_turned_off():
    draws = tf.zeros([5, DRAWS_PER_EXAMPLE])
    unflipped = affine_parameters(draws, Augmentation(horizontal_flip=False), SIZE, SIZE)
    assert not unflipped.flip.numpy().any()
    assert affine_parameters(draws, Augmentation(), SIZE, SIZE).flip.numpy().all()
