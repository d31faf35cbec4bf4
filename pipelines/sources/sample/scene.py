"""Draws the small four-class sample that ships with the project, in place of a download.

An image is a backdrop and a place, a subject put in it by a camera, and light over all of it. Size,
place, camera and light are drawn from one distribution for all classes: only the subject tells.
"""

import io
import math
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from pipelines.sources.sample.airplane import draw_airplane
from pipelines.sources.sample.face import draw_face
from pipelines.sources.sample.leopard import draw_leopard
from pipelines.sources.sample.motorbike import draw_motorbike
from pipelines.sources.sample.pen import WHITE, Pen, hsv, mix, pick, placement

Extent = tuple[float, float]  # half the width and half the height of the scene
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


def gradient(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """The backdrop of every scene, RGB: two colours that run into each other from top to bottom."""
    kind = rng.random()
    if kind < 0.4:  # a sky, from midday to dusk
        top = hsv(rng.uniform(0.53, 0.64), rng.uniform(0.2, 0.65), rng.uniform(0.65, 1))
        bottom = mix(top, pick(rng, [WHITE, (255, 190, 140), (250, 220, 190)]), 0.65)
    else:  # a wall of any colour
        top = hsv(rng.random(), rng.uniform(0.05, 0.42), rng.uniform(0.5, 0.97))
        bottom = hsv(rng.random(), rng.uniform(0.05, 0.45), rng.uniform(0.55, 0.97))
    column = np.array([[top], [mix(top, bottom, 0.5)], [bottom]], dtype=np.uint8)
    return Image.fromarray(column).resize(size, Image.Resampling.BICUBIC)


def clouds(pen: Pen, extent: Extent, rng: np.random.Generator) -> None:
    """Heaps of pale circles."""
    for _ in range(rng.integers(2, 6)):
        x, y = rng.uniform(-extent[0], extent[0]), rng.uniform(-extent[1], extent[1])
        size = rng.uniform(0.12, 0.3)
        colour = (*mix(WHITE, hsv(rng.random(), 0.15, 0.9), rng.random()), 225)
        for puff in np.linspace(-1.6, 1.6, 6):
            radius = size * (1.1 - 0.3 * abs(puff)) * rng.uniform(0.8, 1.1)
            pen.ellipse(x + size * puff, y - radius * 0.6, radius, radius, colour)


def meadow(pen: Pen, extent: Extent, rng: np.random.Generator) -> None:
    """Hills, and blades of grass in front of them."""
    width, height = extent
    hue, value = rng.uniform(0.12, 0.36), rng.uniform(0.5, 0.8)
    for depth in np.linspace(rng.uniform(-0.3, 0.3), 0.8, 3):
        across = width * np.linspace(-1.3, 1.3, 7)
        ridge = [(x, height * depth + rng.uniform(-0.12, 0.12)) for x in across]
        foot = [(2 * width, 3 * height), (-2 * width, 3 * height)]
        pen.blob([*ridge, *foot], hsv(hue, 0.45, value * (1.1 - 0.3 * depth)))
    for _ in range(60):
        x, y = rng.uniform(-width, width), rng.uniform(0.45, 1.05) * height
        tip = (x + rng.uniform(-0.08, 0.08), y - rng.uniform(0.08, 0.2))
        blade = hsv(hue, 0.6, value * rng.uniform(0.65, 1.1))
        pen.polygon([(x - 0.015, y), tip, (x + 0.015, y)], blade)


def road(pen: Pen, extent: Extent, rng: np.random.Generator) -> None:
    """A skyline with lit windows, and a street."""
    width, height = extent
    horizon = height * rng.uniform(0.0, 0.6)
    wall = hsv(rng.random(), rng.uniform(0, 0.3), rng.uniform(0.3, 0.75))
    for x in np.arange(-width, width, 0.36):
        top = horizon - rng.uniform(0.2, 1.1)
        right, shade = x + rng.uniform(0.26, 0.36), mix(wall, WHITE, rng.uniform(0, 0.3))
        pen.box(x, top, right, horizon, shade)
        for y in np.arange(top + 0.08, horizon - 0.06, 0.15):
            for left in np.arange(x + 0.04, right - 0.06, 0.1):
                pane = mix(shade, pick(rng, [(255, 235, 170), (40, 50, 70)]), 0.6)
                pen.box(left, y, left + 0.05, y + 0.07, pane)
    pen.box(-width, horizon, width, height, hsv(rng.random(), 0.08, rng.uniform(0.35, 0.65)))
    for x in np.arange(-width, width, 0.4):
        pen.stroke([(x, horizon + 0.2), (x + 0.2, horizon + 0.2)], 0.03, (240, 235, 220))


def lights(pen: Pen, extent: Extent, rng: np.random.Generator) -> None:
    """Discs of light out of focus."""
    hue = rng.random()
    for _ in range(rng.integers(10, 28)):
        x, y = rng.uniform(-extent[0], extent[0]), rng.uniform(-extent[1], extent[1])
        colour = hsv(hue + rng.uniform(-0.12, 0.12), rng.uniform(0.2, 0.7), rng.uniform(0.6, 1))
        radius = rng.uniform(0.06, 0.3)
        pen.ellipse(x, y, radius, radius, (*colour, int(rng.integers(50, 150))))


def bricks(pen: Pen, extent: Extent, rng: np.random.Generator) -> None:
    """A wall of bricks or tiles."""
    colour = hsv(rng.random(), rng.uniform(0.1, 0.6), rng.uniform(0.4, 0.9))
    length, height = rng.uniform(0.3, 0.6), rng.uniform(0.14, 0.3)
    for row, y in enumerate(np.arange(-extent[1], extent[1], height)):
        for x in np.arange(-extent[0] - length * (row % 2) / 2, extent[0], length):
            brick = mix(colour, pick(rng, [WHITE, (0, 0, 0)]), rng.uniform(0, 0.15))
            pen.box(x, y, x + length * 0.94, y + height * 0.9, brick)


def foliage(pen: Pen, extent: Extent, rng: np.random.Generator) -> None:
    """Leaves all over, in the colours of a season."""
    hue, spread = rng.random(), rng.uniform(0.02, 0.12)
    for _ in range(rng.integers(60, 110)):
        x, y = rng.uniform(-extent[0], extent[0]), rng.uniform(-extent[1], extent[1])
        size, angle = rng.uniform(0.08, 0.2), rng.uniform(0, 2 * np.pi)
        colour = hsv(hue + rng.normal(0, spread), rng.uniform(0.3, 0.6), rng.uniform(0.4, 0.9))
        leaf = pen.moved(x, y, angle, scale=size)
        leaf.blob([(-1, 0), (0, -0.45), (1, 0), (0, 0.45)], colour)
        leaf.polygon([(-1.2, -0.05), (0.8, 0), (-1.2, 0.05)], mix(colour, WHITE, 0.25))


def clutter(pen: Pen, extent: Extent, rng: np.random.Generator) -> None:
    """Paper shapes of all colours, thrown about."""
    for _ in range(rng.integers(12, 30)):
        x, y = rng.uniform(-extent[0], extent[0]), rng.uniform(-extent[1], extent[1])
        shape = pen.moved(x, y, angle=rng.uniform(0, 2 * np.pi), scale=rng.uniform(0.08, 0.35))
        colour = hsv(rng.random(), rng.uniform(0.1, 0.7), rng.uniform(0.35, 0.95))
        corners = np.linspace(0, 2 * np.pi, rng.integers(3, 7), endpoint=False)
        outline = np.column_stack([np.cos(corners), rng.uniform(0.4, 1) * np.sin(corners)])
        pick(rng, [shape.polygon, shape.blob])(outline, colour)


def plain(pen: Pen, extent: Extent, rng: np.random.Generator) -> None:
    """Nothing but the backdrop and a pool of light."""
    x, y = rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5)
    for radius in np.linspace(1.4, 0.1, 24) * max(extent):
        pen.ellipse(x, y, radius, radius, (255, 255, 255, 6))


BACKGROUNDS = (clouds, meadow, road, lights, bricks, foliage, clutter, plain)


# A drawing, and the half width and half height that the camera has to find room for.
SUBJECTS = {
    "Faces": (draw_face, 0.8, 1.05),
    "Leopards": (draw_leopard, 1.0, 0.75),
    "Motorbikes": (draw_motorbike, 1.0, 0.75),
    "airplanes": (draw_airplane, 1.0, 0.65),
}
CLASS_NAMES: tuple[str, ...] = tuple(SUBJECTS)


def draw_image(class_name: str, index: int, seed: int) -> Image.Image:
    """Draws one image, RGB, width and height each in SIDES: a pure function of its arguments.

    Args:
        class_name: One of CLASS_NAMES; ValueError for another.
        index: Number of the image in its class, from 0.
        seed: Number of the sample, from 0.
    """
    if class_name not in CLASS_NAMES:
        raise ValueError(
            f"received class {class_name!r}, expected one of {', '.join(CLASS_NAMES)}; "
            "class names are case-sensitive."
        )
    rng = np.random.default_rng([seed, CLASS_NAMES.index(class_name), index])
    width, height = (int(side) for side in rng.integers(SIDES[0], SIDES[1], 2, endpoint=True))
    place = _place(rng, (width, height))
    return _lit(rng, _with_subject(rng, place, class_name))


def draw_sample(
    seed: int = 0, images_per_class: int = IMAGES_PER_CLASS
) -> Iterator[tuple[str, str, bytes]]:
    """Draws the sample, class by class; the same bytes for the same seed and Pillow release.

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


def _with_subject(rng: np.random.Generator, place: Image.Image, class_name: str) -> Image.Image:
    """The subject in the place, drawn larger and scaled down for smooth edges."""
    draw, half_width, half_height = SUBJECTS[class_name]
    large = (SUPERSAMPLING * place.width, SUPERSAMPLING * place.height)
    image = place.resize(large, Image.Resampling.NEAREST)  # out of focus, so it has no edges
    pen = _pen(image)
    width, height = _extent(place.size)
    scale = min(width / half_width, height / half_height) * rng.uniform(*FILL)
    x = (width - scale * half_width) * rng.uniform(-1, 1)
    y = (height - scale * half_height) * rng.uniform(-1, 1)
    facing = pick(rng, [-1.0, 1.0])
    perspective = np.eye(3)
    perspective[2, :2] = rng.uniform(-PERSPECTIVE, PERSPECTIVE, 2)
    turn = np.diag([facing * rng.uniform(*TURN), 1.0, 1.0])
    # From the subject's coordinates to those of the scene.
    camera = placement(x, y, rng.uniform(-TILT, TILT), scale) @ perspective @ turn
    draw(Pen(pen.draw, pen.matrix @ camera), rng)
    return image.resize(place.size, Image.Resampling.LANCZOS)


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
