"""A motorbike from the side."""

import numpy as np

from pipelines.sources.sample.pen import (
    BLACK,
    SHADOW,
    SHINE,
    STEEL,
    WHITE,
    Colour,
    Pen,
    hsv,
    mix,
    pick,
    smooth,
)

SPOKES = (5, 8, 12, 16)
LEATHER: tuple[Colour, ...] = (BLACK, (92, 56, 36), (60, 60, 66))
FENDER = np.linspace(-2.6, -0.6, 8)  # radians around the axle


def draw_motorbike(pen: Pen, rng: np.random.Generator) -> None:
    """Draws a tourer, a chopper or a racer that heads right, in [-1, 1] x [-0.75, 0.75]."""
    paint = hsv(rng.random(), rng.uniform(0.3, 0.95), rng.uniform(0.35, 0.95))
    radius, tyre = rng.uniform(0.26, 0.34), rng.uniform(0.06, 0.11)
    axle = 0.66 - radius
    front, rear = (0.62, axle), (-0.6, axle)
    head = (front[0] - rng.uniform(0.1, 0.26), rng.uniform(-0.36, -0.2))
    pen.ellipse(0, 0.67, 0.95, 0.05, SHADOW)
    for x, y in (front, rear):
        _draw_wheel(pen.moved(x, y, rng.uniform(0, 1)), rng, radius, tyre)
    _draw_frame(pen, rng, rear, head)
    _draw_engine(pen.moved(rng.uniform(-0.04, 0.04), axle - 0.1), rng)
    _draw_exhaust(pen, rng, axle)
    _draw_seat(pen, rng, paint)
    _draw_tank(pen, rng, paint, head)
    pen.stroke([front, head], [0.05, 0.065], STEEL)  # fork
    guard = radius + tyre / 2 + 0.02
    for x, y in (front, rear):
        arc = np.column_stack([x + guard * np.cos(FENDER), y + guard * np.sin(FENDER)])
        pen.stroke(arc, 0.05, paint)
    _draw_handlebar(pen.moved(*head), rng, paint)


def _draw_wheel(pen: Pen, rng: np.random.Generator, radius: float, tyre: float) -> None:
    spokes = int(pick(rng, SPOKES))
    for angle in np.linspace(0, 2 * np.pi, spokes, endpoint=False):
        rim = (0.9 * radius * np.cos(angle), 0.9 * radius * np.sin(angle))
        pen.stroke([(0, 0), rim], 0.16 / spokes + 0.008, STEEL)
    pen.ring(0, 0, radius - tyre / 2 - 0.015, 0.035, STEEL)
    pen.ring(0, 0, radius, tyre, BLACK)
    pen.ring(0, 0, radius + tyre * 0.2, 0.012, (84, 84, 88))
    pen.ellipse(0, 0, 0.06, 0.06, mix(STEEL, BLACK, 0.4))
    pen.ellipse(0, 0, 0.03, 0.03, STEEL)


def _draw_frame(
    pen: Pen, rng: np.random.Generator, rear: tuple[float, float], head: tuple[float, float]
) -> None:
    tube = pick(rng, [STEEL, BLACK, hsv(rng.random(), 0.7, 0.8)])
    axle = rear[1]
    top = (head[0], head[1] + 0.05)
    pen.stroke([rear, (-0.1, axle), (0.02, axle - 0.1)], 0.05, tube)  # swing arm
    pen.stroke([rear, (-0.4, -0.08)], 0.05, STEEL)  # shock absorber
    pen.stroke([top, (0.22, axle - 0.02), (-0.15, axle), (-0.35, -0.1), top], 0.05, tube)


def _draw_engine(pen: Pen, rng: np.random.Generator) -> None:
    metal = mix(STEEL, BLACK, rng.uniform(0.1, 0.6))
    pen.blob([(-0.2, 0.0), (0, -0.06), (0.2, 0.02), (0.18, 0.16), (-0.16, 0.17)], metal)
    for tilt in pick(rng, [(0.0,), (-0.5, 0.45), (0.3,)]):
        cylinder = pen.moved(0.02, 0.02, tilt)
        cylinder.box(-0.08, -0.24, 0.08, 0, metal)
        for y in np.arange(-0.23, -0.02, 0.045):
            cylinder.box(-0.1, y - 0.008, 0.1, y + 0.008, mix(metal, WHITE, 0.35))
    pen.ellipse(-0.04, 0.08, 0.08, 0.08, mix(metal, WHITE, 0.3))
    pen.ellipse(-0.04, 0.08, 0.045, 0.045, mix(metal, BLACK, 0.3))


def _draw_exhaust(pen: Pen, rng: np.random.Generator, axle: float) -> None:
    end, height = rng.uniform(-0.95, -0.7), axle + rng.uniform(-0.12, 0.12)
    chrome = mix(STEEL, WHITE, rng.uniform(0, 0.5))
    pipe = [(0.16, axle - 0.15), (0.2, axle + 0.1), (0, axle + 0.13), (-0.3, axle + 0.1)]
    pen.stroke(smooth(pipe), 0.05, chrome)
    pen.stroke([pipe[-1], (end, height)], [0.07, 0.12], chrome)
    pen.stroke([(-0.3, axle + 0.09), (end, height - 0.02)], 0.02, WHITE)
    pen.ellipse(end, height, 0.03, 0.045, BLACK)


def _draw_seat(pen: Pen, rng: np.random.Generator, paint: Colour) -> None:
    back, kick = rng.uniform(-0.8, -0.6), rng.uniform(-0.1, 0.06)
    top = [(back, -0.18 + kick), (-0.4, -0.13), (-0.05, -0.1)]
    pen.blob([*top, (-0.1, -0.02), (-0.5, 0), (back + 0.1, -0.06)], paint)
    cushion = [(back, -0.24 + kick), (-0.35, -0.17), (0, -0.16)]
    base = [(-0.02, -0.07), (-0.4, -0.07), (back, -0.15 + kick)]
    pen.blob([*cushion, *base], pick(rng, LEATHER))
    pen.ellipse(back, -0.12 + kick, 0.045, 0.04, (220, 40, 36))  # tail light


def _draw_tank(
    pen: Pen, rng: np.random.Generator, paint: Colour, head: tuple[float, float]
) -> None:
    neck, top = head[0] - 0.02, rng.uniform(-0.42, -0.3)
    rear = [(-0.06, -0.1), (0.0, -0.24), (0.14, top)]
    pen.blob([*rear, (neck, -0.26), (neck, -0.12), (0.1, -0.06)], paint)
    pen.stroke(smooth([(0.05, -0.23), (0.15, top + 0.05), (neck - 0.08, -0.26)]), 0.025, SHINE)
    stripe = mix(paint, pick(rng, [WHITE, BLACK]), 0.7)
    pen.stroke([(0.04, -0.14), (neck - 0.06, -0.17)], 0.03, stripe)


def _draw_handlebar(pen: Pen, rng: np.random.Generator, paint: Colour) -> None:
    """The cockpit, around the top of the fork."""
    if rng.random() < 0.35:  # a racer's fairing
        pen.blob([(-0.06, -0.16), (0.12, -0.1), (0.22, 0.06), (0.06, 0.22), (-0.1, 0.14)], paint)
        pen.blob([(-0.06, -0.16), (0.02, -0.26), (0.13, -0.09)], (170, 210, 235, 170))
    pen.ellipse(0.1, 0.06, 0.07, 0.08, STEEL)
    pen.ellipse(0.13, 0.06, 0.045, 0.065, (255, 240, 170))  # headlight
    rise = rng.uniform(0.08, 0.3)
    pen.stroke(smooth([(0, 0.02), (-0.04, -rise), (-0.16, -rise + 0.02)]), 0.032, STEEL)
    pen.stroke([(-0.12, -rise + 0.01), (-0.2, -rise + 0.03)], 0.05, BLACK)  # grip
    if rng.random() < 0.5:
        pen.ellipse(0.02, -rise - 0.06, 0.05, 0.035, mix(STEEL, BLACK, 0.3))  # mirror
