"""The places of the drawn sample. Each class stands in all of them: a place tells nothing."""

import numpy as np
from PIL import Image

from pipelines.sources.sample.pen import WHITE, Pen, hsv, mix, pick

Extent = tuple[float, float]  # half the width and half the height of the scene


def gradient(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """The backdrop of every scene: two colours that run into each other from top to bottom.

    Args:
        rng: Source of the colours.
        size: Width and height in pixels.

    Returns:
        RGB image of that size.
    """
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
