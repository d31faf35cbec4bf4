"""The fused warp against Keras' legacy generator, and its parameters against their ranges."""

import numpy as np
import pytest
import tensorflow as tf

from pipelines.augment import (
    DRAWS_PER_EXAMPLE,
    WarpParameters,
    WarpRanges,
    warp,
    warp_parameters,
)

SIZE = 96


def random_parameters(count, seed):
    draws = np.random.default_rng(seed).random((count, DRAWS_PER_EXAMPLE), dtype=np.float32)
    # Wider than the tutorial's ranges: a sign that is wrong for small angles shows in large ones.
    ranges = WarpRanges(rotation=60, width_shift=0.4, height_shift=0.4, shear=30, zoom=0.4)
    return warp_parameters(tf.constant(draws), ranges, SIZE)


def legacy_transform(generator, image, parameters, index):
    value = {name: column.numpy()[index] for name, column in parameters._asdict().items()}
    return generator.apply_transform(
        image,
        {
            "theta": np.rad2deg(value["rotation"]),
            "tx": value["shift_x"],
            "ty": value["shift_y"],
            "shear": np.rad2deg(value["shear"]),
            "zx": value["zoom_x"],
            "zy": value["zoom_y"],
            "flip_horizontal": value["flip"],
        },
    )


@pytest.mark.parametrize("kind", ["noise", "gradient"])
def test_warp_equals_the_legacy_generator(kind):
    pytest.importorskip("scipy", reason="the legacy generator interpolates with SciPy")
    generator = tf.keras.preprocessing.image.ImageDataGenerator(fill_mode="nearest")
    count = 200
    if kind == "noise":
        images = np.random.default_rng(1).integers(0, 256, (count, SIZE, SIZE, 3))
    else:
        images = np.tile(np.arange(SIZE)[:, None, None] * 2.0, (count, 1, SIZE, 3))
        images[..., 1] = np.arange(SIZE) * 1.5
    images = images.astype(np.float32)
    parameters = random_parameters(count, seed=2)

    warped = warp(tf.constant(images), parameters).numpy()

    expected = np.stack(
        [legacy_transform(generator, images[i], parameters, i) for i in range(count)]
    )
    assert 0 < parameters.flip.numpy().mean() < 1
    np.testing.assert_allclose(warped, expected, atol=0.01, rtol=0)


def test_warp_of_uint8_is_not_truncated():
    images = np.random.default_rng(3).integers(0, 256, (4, SIZE, SIZE, 3), dtype=np.uint8)
    parameters = random_parameters(4, seed=4)
    as_float = warp(tf.constant(images.astype(np.float32)), parameters)
    np.testing.assert_array_equal(warp(tf.constant(images), parameters), as_float)


def test_no_movement_leaves_the_image_alone():
    images = np.random.default_rng(5).random((2, 20, 30, 3), dtype=np.float32)
    zero, one = tf.zeros(2), tf.ones(2)
    still = WarpParameters(zero, zero, zero, zero, one, one, tf.constant([False, True]))
    warped = warp(tf.constant(images), still).numpy()
    np.testing.assert_allclose(warped[0], images[0], atol=1e-5)
    np.testing.assert_allclose(warped[1], images[1, :, ::-1], atol=1e-5)


def test_warp_is_the_same_inside_tf_data():
    images = np.random.default_rng(6).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    parameters = random_parameters(3, seed=7)
    dataset = tf.data.Dataset.from_tensors((images, parameters)).map(warp)
    np.testing.assert_array_equal(next(iter(dataset)), warp(tf.constant(images), parameters))


def test_parameters_span_the_tutorials_ranges():
    draws = np.random.default_rng(8).random((20000, DRAWS_PER_EXAMPLE), dtype=np.float32)
    parameters = warp_parameters(tf.constant(draws), WarpRanges(), SIZE)
    limits = {
        "rotation": (-np.deg2rad(20), np.deg2rad(20)),
        "shift_x": (-0.2 * SIZE, 0.2 * SIZE),
        "shift_y": (-0.2 * SIZE, 0.2 * SIZE),
        "shear": (-np.deg2rad(0.15), np.deg2rad(0.15)),
        "zoom_x": (0.85, 1.15),
        "zoom_y": (0.85, 1.15),
    }
    for name, (low, high) in limits.items():
        values = getattr(parameters, name).numpy()
        slack = (high - low) * 1e-3
        assert low - 1e-6 <= values.min() < low + slack, name
        assert high - slack < values.max() <= high + 1e-6, name
    assert abs(parameters.flip.numpy().mean() - 0.5) < 0.02


def test_flip_can_be_turned_off():
    draws = tf.zeros([5, DRAWS_PER_EXAMPLE])
    assert not warp_parameters(draws, WarpRanges(horizontal_flip=False), SIZE).flip.numpy().any()
    assert warp_parameters(draws, WarpRanges(), SIZE).flip.numpy().all()
