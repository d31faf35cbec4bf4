"""A leopard from the side, its head turned to the viewer."""

import numpy as np

from pipelines.sources.sample.pen import (
    BLACK,
    SHADOW,
    WHITE,
    Colour,
    Pen,
    colours,
    hsv,
    mirrored,
    mix,
    pick,
    smooth,
)

COATS = colours("e8ae5e d89850 f0c886 d2cabc bc8a54")
_ANGLES = np.linspace(0, 2 * np.pi, 5, endpoint=False)
PENTAGON = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)])


def draw_leopard(pen: Pen, rng: np.random.Generator) -> None:
    """Draws a leopard that walks, stands or crouches, in [-1, 1] x [-0.75, 0.75]."""
    coat = mix(pick(rng, COATS), hsv(0.09, 0.5, rng.uniform(0.5, 0.95)), 0.25)
    far = mix(coat, BLACK, 0.22)
    ground, stride = rng.uniform(0.42, 0.66), rng.uniform(-0.16, 0.16)
    arch = rng.uniform(-0.05, 0.07)
    pen.ellipse(0, ground + 0.02, 0.75, 0.06, SHADOW)
    _draw_tail(pen, rng, coat)
    _draw_leg(pen, rng, (-0.42, ground - 0.04), -stride, far)
    _draw_leg(pen, rng, (0.36, ground - 0.04), stride, far)
    back = [(-0.66, -0.1), (-0.5, -0.31), (-0.1, -0.28 + arch), (0.35, -0.36), (0.62, -0.26)]
    belly = [(0.58, 0.05), (0.3, 0.17), (-0.1, 0.13 + arch), (-0.5, 0.18)]
    pen.blob([*back, *belly], coat)
    pale = [(-0.36, 0.13), (-0.05, 0.05 + arch), (0.34, 0.12), (-0.05, 0.14 + arch)]
    pen.blob(pale, mix(coat, WHITE, 0.5))
    _draw_leg(pen, rng, (-0.52, ground), stride, coat)
    _draw_leg(pen, rng, (0.46, ground), -stride, coat)
    _draw_rosettes(pen, rng, coat, arch)
    nod, size = rng.uniform(-0.25, 0.3), rng.uniform(1.0, 1.2)
    _draw_head(pen.moved(0.7, rng.uniform(-0.4, -0.2), nod, size), rng, coat)


def _draw_tail(pen: Pen, rng: np.random.Generator, coat: Colour) -> None:
    lift, curl = rng.uniform(-0.55, 0.3), rng.uniform(-0.25, 0.2)
    root = [(-0.5, -0.14), (-0.74, -0.02 + lift / 3)]
    line = smooth([*root, (-0.9, lift), (-0.8 + curl / 2, lift + curl)])
    pen.stroke(line, np.linspace(0.11, 0.07, len(line)).tolist(), coat)
    pen.dots(line[5:-3:3], 0.028, BLACK)
    pen.stroke(line[-4:], 0.075, BLACK)


def _draw_leg(
    pen: Pen, rng: np.random.Generator, at: tuple[float, float], swing: float, coat: Colour
) -> None:
    """A leg from the shoulder or hip at `at[0]` to the ground at `at[1]`."""
    x, ground = at
    hip, knee = np.array([x, 0.0]), np.array([x + swing * 0.7 + 0.03, (ground + 0.02) / 2])
    foot = np.array([x + swing, ground - 0.03])
    pen.stroke([hip, knee, foot], [0.25, 0.15, 0.1], coat)
    pen.stroke([foot, foot + (0.06, 0)], 0.1, mix(coat, WHITE, 0.25))
    dark = mix(coat, BLACK, 0.75)
    for start, end, width in ((hip, knee, 0.05), (knee, foot, 0.025)):
        spots = start + np.linspace(0.1, 0.9, 5)[:, None] * (end - start)
        spots[:, 0] += rng.uniform(-width, width, len(spots))
        pen.dots(spots, rng.uniform(0.013, 0.026, len(spots)), dark)


def _draw_rosettes(pen: Pen, rng: np.random.Generator, coat: Colour, arch: float) -> None:
    """Rings of dark dots around a warmer middle, in rows along the body."""
    middle, dark = mix(coat, (130, 76, 24), 0.45), mix(coat, BLACK, 0.85)
    for row, y in enumerate((-0.24, -0.14, -0.04, 0.06)):
        for x in np.arange(-0.56, 0.6, 0.135) + 0.0675 * (row % 2):
            if (x / 0.6) ** 2 + ((y + 0.09) / 0.2) ** 2 > 1:
                continue  # off the body
            sag = y + arch * (1 - abs(x) / 0.6)
            jitter = rng.uniform(-0.02, 0.02, 2)
            rosette = pen.moved(x + jitter[0], sag + jitter[1], rng.uniform(0, 6))
            size = rng.uniform(0.03, 0.042)
            rosette.ellipse(0, 0, size, size * 0.8, middle)
            rosette.dots(size * PENTAGON[: rng.integers(3, 6)], 0.015, dark)


def _draw_head(pen: Pen, rng: np.random.Generator, coat: Colour) -> None:
    dark, pale = mix(coat, BLACK, 0.85), mix(coat, WHITE, 0.7)
    for side in (-1, 1):  # ears
        pen.ellipse(0.14 * side, -0.16, 0.07, 0.07, dark)
        pen.ellipse(0.135 * side, -0.145, 0.045, 0.045, pale)
    skull = mirrored([(0, -0.2), (0.17, -0.12), (0.2, 0.04), (0.1, 0.19)])
    pen.blob(skull, mix(coat, BLACK, 0.25))  # a rim that sets the head off from the body
    pen.moved(0, 0, scale=0.94).blob(skull, coat)
    freckles = rng.uniform((-0.13, -0.16), (0.13, -0.07), (14, 2))
    pen.dots(freckles, 0.012, dark)
    _draw_muzzle(pen, pale, dark)
    eyes = hsv(rng.uniform(0.12, 0.3), 0.6, 0.85)
    for side in (-1, 1):
        pen.ellipse(0.085 * side, -0.02, 0.046, 0.038, dark)
        pen.ellipse(0.085 * side, -0.02, 0.036, 0.03, eyes)
        pen.ellipse(0.085 * side, -0.02, 0.016, 0.024, BLACK)
        pen.ellipse(0.085 * side + 0.01, -0.03, 0.008, 0.008, WHITE)


def _draw_muzzle(pen: Pen, pale: Colour, dark: Colour) -> None:
    for side in (-1, 1):
        pen.ellipse(0.05 * side, 0.1, 0.065, 0.055, pale)
        pen.stroke([(0.06 * side, 0.02), (0.07 * side, 0.06)], 0.014, dark)  # tear line
    pen.ellipse(0, 0.16, 0.05, 0.03, pale)
    pen.blob([(-0.04, 0.04), (0.04, 0.04), (0, 0.09)], (150, 80, 80))
    pen.stroke(smooth([(-0.065, 0.115), (-0.03, 0.135), (0, 0.11)]), 0.012, dark)
    pen.stroke(smooth([(0.065, 0.115), (0.03, 0.135), (0, 0.11)]), 0.012, dark)
    for side in (-1, 1):
        for fall in (-0.02, 0.02, 0.05):
            pen.stroke([(0.08 * side, 0.1), (0.24 * side, 0.1 + fall)], 0.006, WHITE)
