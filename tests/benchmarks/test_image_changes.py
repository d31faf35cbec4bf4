"""Each change of an image does what its row of the table says."""

import io

import numpy as np
import pytest
from PIL import Image

from benchmarks import image_changes as changes

WIDTH, HEIGHT = 60, 40


@pytest.fixture
def image():
    """Bright, in smooth slopes of other directions for each channel: no pixel of it is black."""
    x, y = np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT))
    channels = np.stack([100 + 150 * x, 100 + 150 * y, 250 - 100 * x * y], axis=-1)
    return Image.fromarray(channels.round().astype(np.uint8))


def pixels(image):
    return np.asarray(image).astype(int)


def test_all_give_rgb_images_and_each_another_one():
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    functions = [function for group in changes.CHANGES.values() for function in group]
    changed = [function(Image.fromarray(noise)) for function in functions]
    assert {one.mode for one in changed} == {"RGB"}
    assert len({(one.size, one.tobytes()) for one in changed}) == len(functions) == 14
    assert changed[0].tobytes() == noise.tobytes()


def test_a_tenth_of_each_side_is_cut_off(image):
    cut = pixels(changes.border_cut_off(image))
    np.testing.assert_array_equal(cut, pixels(image)[4:36, 6:54])


@pytest.mark.parametrize("upright", [False, True])
def test_it_is_padded_with_black_as_tensorflow_pads(image, upright):
    import tensorflow as tf

    from pipelines.loading.decode import stretch

    if upright:
        image = image.transpose(Image.Transpose.TRANSPOSE)
    square = changes.padded_to_square(image)
    assert square.size == (WIDTH, WIDTH)
    margins = np.split(pixels(square), [10, 50], axis=1 if upright else 0)
    assert not margins[0].any() and not margins[2].any()
    np.testing.assert_array_equal(margins[1], pixels(image))
    ours = stretch(tf.constant(np.asarray(square)), 24).numpy().astype(float)
    theirs = tf.image.resize_with_pad(np.asarray(image), 24, 24).numpy()
    assert np.abs(ours - theirs).max() <= 0.5


def test_grey_has_three_equal_channels_as_bright_as_the_image(image):
    grey = pixels(changes.greyscale(image))
    assert (grey == grey[..., :1]).all()
    luma = pixels(image) @ [0.299, 0.587, 0.114]
    assert np.abs(grey[..., 0] - luma).max() <= 1


def test_a_point_becomes_a_gaussian_of_a_hundredth_of_the_longer_side():
    point = np.zeros((80, 200, 3), np.uint8)
    point[39:42, 99:102] = 255
    spread = pixels(changes.blurred(Image.fromarray(point)))[..., 0]
    columns = spread.sum(axis=0) / spread.sum()
    variance = columns @ (np.arange(200) - 100) ** 2
    # That of three pixels in a row, and that of the blur, 2 pixels; less what is rounded off.
    assert variance == pytest.approx(2 / 3 + 2**2, rel=0.1)


def test_it_is_compressed_with_the_tables_of_quality_20(image, monkeypatch):
    opened = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda *a: opened.append(real(*a)) or opened[-1])
    compressed = changes.compressed(image)
    expected = io.BytesIO()
    image.save(expected, "JPEG", quality=20)
    assert opened[0].quantization == real(expected).quantization
    assert compressed.size == image.size


@pytest.mark.parametrize("degrees", [15, -15])
def test_rotations_differ_in_the_corners_alone(image, degrees):
    black = pixels(changes.rotated_on_black(image, degrees))
    nearest = pixels(changes.rotated_on_nearest(image, degrees))
    assert black.shape == nearest.shape == (HEIGHT, WIDTH, 3)
    assert not black[[0, 0, -1, -1], [0, -1, 0, -1]].any()
    assert nearest.min() >= 98  # nowhere black
    inside = (slice(12, 28), slice(18, 42))
    assert np.abs(black[inside] - nearest[inside]).max() <= 1
    # What was at the right of the centre is above it where the rotation is counterclockwise.
    x, y = 15 * np.cos(np.radians(degrees)), 15 * np.sin(np.radians(degrees))
    moved = nearest[round(19.5 - y), round(29.5 + x)]
    assert np.abs(moved - pixels(image)[20, 45]).max() <= 4


def test_nothing_from_outside_reaches_the_corners_of_a_long_image():
    long = Image.new("RGB", (400, 20), (200, 200, 200))
    for degrees in (15, -15):
        assert (pixels(changes.rotated_on_nearest(long, degrees)) == 200).all()


def test_half_the_resolution_is_the_mean_of_four(image):
    halved = pixels(changes.half_resolution(image))
    means = pixels(image).reshape(20, 2, 30, 2, 3).mean(axis=(1, 3))
    assert np.abs(halved - means).max() <= 0.5
    assert changes.half_resolution(image.crop((0, 0, 5, 3))).size == (3, 2)


def test_a_mirror_exchanges_left_and_right(image):
    np.testing.assert_array_equal(pixels(changes.mirrored(image)), pixels(image)[:, ::-1])


def test_a_third_brighter_or_darker(image):
    brighter, darker = (
        pixels(changes.CHANGES[f"{word} by a third"][0](image)) for word in ("brighter", "darker")
    )
    assert np.abs(brighter - np.minimum(255, pixels(image) * 4 / 3)).max() <= 0.5
    assert brighter.max() == 255
    assert np.abs(darker - pixels(image) * 2 / 3).max() <= 0.5
