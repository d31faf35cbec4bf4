"""The pen of the drawn sample: smooth shapes in unit coordinates, put through a camera matrix."""

import colorsys
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import ImageDraw

Colour = tuple[int, ...]  # (red, green, blue) or (red, green, blue, opacity), each 0 to 255
Points = Sequence[tuple[float, float]] | Sequence[np.ndarray] | np.ndarray

BLACK: Colour = (24, 22, 26)
WHITE: Colour = (250, 250, 248)
STEEL: Colour = (172, 178, 188)
SHADOW: Colour = (0, 0, 0, 60)  # translucent: darkens whatever lies below
SHINE: Colour = (255, 255, 255, 90)

_ANGLES = np.linspace(0, 2 * np.pi, 33)
CLOSED_CIRCLE = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)])
CIRCLE = CLOSED_CIRCLE[:-1]


@dataclasses.dataclass(frozen=True)
class Pen:
    """Draws in coordinates of its own: x to the right, y down, of the order of 1.

    Every shape is a polygon, so one matrix on its corners does all that a camera does: a circle
    turns, leans and recedes like any other shape.
    """

    draw: ImageDraw.ImageDraw  # the drawing surface, which blends colours that have an opacity
    matrix: np.ndarray  # float64 of shape (3, 3), from the pen's coordinates to homogeneous pixels

    def moved(self, x: float, y: float, angle: float = 0.0, scale: float = 1.0) -> "Pen":
        """A pen whose origin lies at (x, y) of this one, turned by `angle` radians and scaled."""
        return Pen(self.draw, self.matrix @ placement(x, y, angle, scale))

    def polygons(self, shapes: np.ndarray, colour: Colour) -> None:
        """Fills k polygons of n corners each, `shapes` being of shape (k, n, 2)."""
        mapped = shapes @ self.matrix[:, :2].T + self.matrix[:, 2]
        pixels = mapped[..., :2] / mapped[..., 2:]
        for corners in pixels.reshape(len(shapes), -1).tolist():
            self.draw.polygon(corners, fill=colour)

    def polygon(self, points: Points, colour: Colour) -> None:
        """Fills the polygon with these corners, of shape (n, 2)."""
        self.polygons(np.asarray(points, dtype=np.float64)[None], colour)

    def blob(self, points: Points, colour: Colour) -> None:
        """Fills the smooth closed curve through these points."""
        self.polygon(smooth(points, closed=True), colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """Fills a rectangle."""
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        """Fills the ellipse around (x, y) with these radii."""
        self.polygon(CIRCLE * (rx, ry) + (x, y), colour)

    def ring(self, x: float, y: float, radius: float, width: float, colour: Colour) -> None:
        """Draws a circle as a line of this width, so that what lies behind shows through."""
        outer, inner = (radius + width / 2) * CLOSED_CIRCLE, (radius - width / 2) * CLOSED_CIRCLE
        self.polygon(np.concatenate([outer, inner[::-1]]) + (x, y), colour)

    def dots(self, points: Points, radii: float | np.ndarray, colour: Colour) -> None:
        """Fills a small disc around each of the points."""
        centres = np.asarray(points, dtype=np.float64)[:, None]
        self.polygons(centres + CIRCLE[::2] * np.reshape(radii, (-1, 1, 1)), colour)

    def stroke(self, points: Points, width: float | Sequence[float], colour: Colour) -> None:
        """Draws a line with round ends; as many widths as points make it taper."""
        line = np.asarray(points, dtype=np.float64)
        radii = np.broadcast_to(np.asarray(width, dtype=np.float64) / 2, len(line))[:, None]
        self.dots(line, radii, colour)
        along = np.diff(line, axis=0)
        normals = along[:, ::-1] * (-1, 1) / np.hypot(along[:, 0], along[:, 1])[:, None]
        start, end = normals * radii[:-1], normals * radii[1:]
        sides = (line[:-1] + start, line[1:] + end, line[1:] - end, line[:-1] - start)
        self.polygons(np.stack(sides, axis=1), colour)


def placement(x: float, y: float, angle: float = 0.0, scale: float = 1.0) -> np.ndarray:
    """Matrix of shape (3, 3) that scales, turns by `angle` radians and then moves to (x, y)."""
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cos, -sin, x], [sin, cos, y], [0.0, 0.0, 1.0]])


def smooth(points: Points, closed: bool = False, steps: int = 5) -> np.ndarray:
    """The Catmull-Rom curve through the points: (n, 2) in, about `steps` times as many out."""
    p = np.asarray(points, dtype=np.float64)
    padded = np.concatenate([p[-1:], p, p[:2]] if closed else [p[:1], p, p[-1:]])
    p0, p1, p2, p3 = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = np.linspace(0, 1, steps, endpoint=False)[:, None, None]
    curve = p1 + t / 2 * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3))
    curve = curve + t**3 / 2 * (3 * (p1 - p2) + p3 - p0)
    curve = curve.transpose(1, 0, 2).reshape(-1, 2)
    return curve if closed else np.concatenate([curve, p[-1:]])


def mirrored(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The right half of an outline, from top to bottom, and after it the left half, back up."""
    return [*points, *((-x, y) for x, y in reversed(points) if x != 0)]


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Colour from hue, saturation and value in [0, 1]; the hue goes round."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def colours(codes: str) -> list[Colour]:
    """Opaque colours, each written as six hexadecimal digits."""
    return [tuple(bytes.fromhex(code)) for code in codes.split()]


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Colour that is `share` (0 to 1) of the way from the first to the second."""
    return tuple(round(a + (b - a) * share) for a, b in zip(first, second, strict=True))


def pick(rng: np.random.Generator, choices: Sequence[Any]) -> Any:
    """One of the choices, each as likely as the others."""
    return choices[int(rng.integers(len(choices)))]
