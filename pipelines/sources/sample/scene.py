"""Draws the small four-class sample that ships with the project, in place of a download.

An image is a backdrop and a place, a subject put in it by a camera, and light over all of it. Size,
place, camera and light are drawn from one distribution for all classes: only the subject tells.
"""

import io
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from pipelines.sources.sample.airplane import draw_airplane
from pipelines.sources.sample.backgrounds import BACKGROUNDS, gradient
from pipelines.sources.sample.face import draw_face
from pipelines.sources.sample.leopard import draw_leopard
from pipelines.sources.sample.motorbike import draw_motorbike
from pipelines.sources.sample.pen import Pen, pick, placement


class Subject(NamedTuple):
    """A drawing, and the half width and half height that the camera has to find room for."""

    draw: Callable[[Pen, np.random.Generator], None]
    half_width: float
    half_height: float


SUBJECTS = {
    "Faces": Subject(draw_face, 0.8, 1.05),
    "Leopards": Subject(draw_leopard, 1.0, 0.75),
    "Motorbikes": Subject(draw_motorbike, 1.0, 0.75),
    "airplanes": Subject(draw_airplane, 1.0, 0.65),
}
CLASS_NAMES: tuple[str, ...] = tuple(SUBJECTS)
IMAGES_PER_CLASS = 120

SIDES = (144, 256)  # pixels, of the width and of the height
JPEG_QUALITY = 90
SUPERSAMPLING = 2

# The camera.
FILL = (0.8, 1.05)  # share of the free room that the subject takes; above 1 it is cut off
TILT = math.radians(14)
TURN = (0.78, 1.0)  # a subject seen at an angle looks narrower
PERSPECTIVE = 0.14  # how much nearer one end of the subject is than its middle

# The light.
DEFOCUS = (0.6, 2.0)  # radius in pixels, of the place only
BRIGHTNESS = (0.78, 1.15)
GRADIENT = 0.25  # how much lighter one side of the image is than its middle
TINT = 0.07
NOISE = (0.0, 5.0)  # standard deviation, in grey levels
BLUR = (0.0, 0.9)  # radius in pixels


def draw_image(class_name: str, index: int, seed: int) -> Image.Image:
    """Draws one image, a pure function of its arguments.

    Args:
        class_name: One of CLASS_NAMES.
        index: Number of the image in its class, from 0.
        seed: Number of the sample, from 0.

    Returns:
        RGB image, width and height each in SIDES.

    Raises:
        ValueError: if the class is unknown.
    """
    if class_name not in CLASS_NAMES:
        raise ValueError(
            f"received class {class_name!r}, expected one of {', '.join(CLASS_NAMES)}; "
            "class names are case-sensitive."
        )
    rng = np.random.default_rng([seed, CLASS_NAMES.index(class_name), index])
    width, height = (int(side) for side in rng.integers(SIDES[0], SIDES[1], 2, endpoint=True))
    place = _place(rng, (width, height))
    image = _with_subject(rng, place, SUBJECTS[class_name])
    return _lit(rng, image)


def draw_sample(
    seed: int = 0, images_per_class: int = IMAGES_PER_CLASS
) -> Iterator[tuple[str, str, bytes]]:
    """Draws the sample, class by class; the same bytes for the same seed and Pillow release.

    Args:
        seed: Another seed draws other images.
        images_per_class: How many of each class.

    Yields:
        Class name, file name ("image_0001.jpg" is the first of its class) and the JPEG.
    """
    for class_name in CLASS_NAMES:
        for index in range(images_per_class):
            encoded = io.BytesIO()
            draw_image(class_name, index, seed).save(encoded, "JPEG", quality=JPEG_QUALITY)
            yield class_name, f"image_{index + 1:04d}.jpg", encoded.getvalue()


def _extent(size: tuple[int, int]) -> tuple[float, float]:
    """Half the width and half the height of the scene, in units of half the shorter side."""
    return size[0] / min(size), size[1] / min(size)


def _pen(image: Image.Image) -> Pen:
    """A pen in scene coordinates: the origin in the middle, one unit half the shorter side."""
    draw = ImageDraw.Draw(image, "RGBA")  # on an RGB image this mode blends what is translucent
    return Pen(draw, placement(image.width / 2, image.height / 2, scale=min(image.size) / 2))


def _place(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """A place without a subject, more or less out of focus."""
    image = gradient(rng, size)
    pick(rng, BACKGROUNDS)(_pen(image), _extent(size), rng)
    return image.filter(ImageFilter.BoxBlur(rng.uniform(*DEFOCUS)))


def _with_subject(rng: np.random.Generator, place: Image.Image, subject: Subject) -> Image.Image:
    """The subject in the place, drawn larger and scaled down for smooth edges."""
    large = (SUPERSAMPLING * place.width, SUPERSAMPLING * place.height)
    image = place.resize(large, Image.Resampling.NEAREST)  # out of focus, so it has no edges
    pen = _pen(image)
    camera = _camera(rng, subject, _extent(place.size))
    subject.draw(Pen(pen.draw, pen.matrix @ camera), rng)
    return image.resize(place.size, Image.Resampling.LANCZOS)


def _camera(rng: np.random.Generator, subject: Subject, extent: tuple[float, float]) -> np.ndarray:
    """Matrix of shape (3, 3) from the subject's coordinates to those of the scene."""
    room = min(extent[0] / subject.half_width, extent[1] / subject.half_height)
    scale = room * rng.uniform(*FILL)
    x = (extent[0] - scale * subject.half_width) * rng.uniform(-1, 1)
    y = (extent[1] - scale * subject.half_height) * rng.uniform(-1, 1)
    facing = pick(rng, [-1.0, 1.0])
    perspective = np.eye(3)
    perspective[2, :2] = rng.uniform(-PERSPECTIVE, PERSPECTIVE, 2)
    turn = np.diag([facing * rng.uniform(*TURN), 1.0, 1.0])
    return placement(x, y, rng.uniform(-TILT, TILT), scale) @ perspective @ turn


def _lit(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """The image under a lamp of some strength, side and colour, as a camera with noise sees it."""
    image = image.filter(ImageFilter.BoxBlur(rng.uniform(*BLUR)))
    angle = rng.uniform(0, 2 * np.pi)
    x = np.linspace(-1, 1, image.width) * np.cos(angle)
    y = np.linspace(-1, 1, image.height) * np.sin(angle)
    lamp = rng.uniform(*BRIGHTNESS) * (1 + rng.uniform(0, GRADIENT) * (x + y[:, None]))
    grain = rng.standard_normal(lamp.shape, dtype=np.float32) * rng.uniform(*NOISE)
    tint = 1 + rng.uniform(-TINT, TINT, 3)
    pixels = np.asarray(image) * lamp.astype(np.float32)[:, :, None] * tint.astype(np.float32)
    pixels += grain.astype(np.float32)[:, :, None]
    return Image.fromarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8))
