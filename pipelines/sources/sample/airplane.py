"""An airplane from the side, its wings spread out towards the viewer and away."""

import dataclasses

import numpy as np

from pipelines.sources.sample.pen import BLACK, SHADOW, STEEL, WHITE, Colour, Pen, hsv, mix, pick


@dataclasses.dataclass(frozen=True)
class Design:
    """What the parts of one airplane have in common."""

    hull: Colour  # colour of the fuselage
    livery: Colour  # colour of the stripe, the tail and the tips of the wings
    jet: bool  # whether it has jet engines and swept wings, or a propeller and straight ones
    girth: float  # half the height of the fuselage
    nose: float  # where the fuselage ends in front
    wing_root: float  # where along the fuselage the wings begin
    sweep: float  # how far back their tips lie
    reach: float  # how far the near one reaches down


def draw_airplane(pen: Pen, rng: np.random.Generator) -> None:
    """Draws an airliner or a propeller plane that heads right, in [-1, 1] x [-0.65, 0.65]."""
    pen = pen.moved(0, 0, angle=rng.uniform(-0.2, 0.12))
    design = _design(rng)
    wing = mix(design.hull, STEEL, 0.5)
    _draw_wing(pen, design, mix(wing, BLACK, 0.22), side=-1, size=0.75)
    _draw_fuselage(pen, rng, design)
    _draw_windows(pen, rng, design.girth)
    tail = design.girth * 0.3
    pen.blob([(-0.72, -tail), (-0.92, 0.14), (-0.8, 0.14), (-0.56, -tail)], wing)
    if rng.random() < 0.3:
        _draw_wheels(pen, design.girth)
    _draw_wing(pen, design, wing, side=1, size=1.0)
    if not design.jet:
        _draw_propeller(pen.moved(design.nose, 0.02), rng, design.livery)


def _design(rng: np.random.Generator) -> Design:
    painted = hsv(rng.random(), rng.uniform(0.1, 0.7), rng.uniform(0.5, 0.95))
    jet = bool(rng.random() < 0.65)
    return Design(
        hull=pick(rng, [WHITE, (228, 232, 238), painted]),
        livery=hsv(rng.random(), rng.uniform(0.5, 0.95), rng.uniform(0.35, 0.9)),
        jet=jet,
        girth=rng.uniform(0.12, 0.18),
        nose=rng.uniform(0.88, 0.97),
        wing_root=rng.uniform(-0.05, 0.12),
        sweep=rng.uniform(0.2, 0.5) if jet else 0.08,
        reach=rng.uniform(0.36, 0.6),
    )


def _draw_fuselage(pen: Pen, rng: np.random.Generator, design: Design) -> None:
    girth, fin = design.girth, rng.uniform(0.34, 0.48)
    tail = [(-0.94, -fin), (-0.8, -fin), (-0.46, -girth * 0.7), (-0.88, -girth * 0.3)]
    pen.blob(tail, design.livery)
    top = [(design.nose, 0.02), (0.78, -girth * 0.75), (0.5, -girth), (-0.5, -girth * 0.9)]
    rear = [(-0.93, -girth * 0.7), (-0.9, -girth * 0.2), (-0.4, girth * 0.85)]
    pen.blob([*top, *rear, (0.5, girth), (0.8, girth * 0.7)], design.hull)
    keel = [(-0.85, -girth * 0.3), (-0.4, girth * 0.75), (0.5, girth * 0.95)]
    pen.blob([(0.84, girth * 0.5), (0.5, girth * 0.4), *keel], SHADOW)
    stripe = [(0.8, girth * 0.25), (-0.86, -girth * 0.35)]
    pen.stroke(stripe, rng.uniform(0.03, 0.07), design.livery)


def _draw_wing(pen: Pen, design: Design, colour: Colour, side: int, size: float) -> None:
    """One wing and its engine; `side` is 1 for the near wing (down) and -1 for the far one (up)."""
    root, reach = design.wing_root, side * design.reach * size
    tip = root - design.sweep * size
    inner = [(root + 0.2, 0.03 * side), (root - 0.16, 0.03 * side)]
    pen.polygon([*inner, (tip - 0.09, reach), (tip + 0.02, reach)], colour)
    pen.stroke([(tip - 0.07, reach), (tip + 0.01, reach)], 0.035, design.livery)
    if design.jet:
        engine = pen.moved(root + 0.1 - 0.4 * design.sweep, 0.45 * reach)
        front, rear = [(0.16, -0.06), (0.18, 0.06)], [(0, 0.075), (-0.12, 0.03), (-0.12, -0.03)]
        engine.blob([*front, *rear, (0, -0.075)], mix(colour, STEEL, 0.6))
        engine.ellipse(0.165, 0, 0.025, 0.062, BLACK)


def _draw_windows(pen: Pen, rng: np.random.Generator, girth: float) -> None:
    glass = hsv(0.58, rng.uniform(0.2, 0.6), rng.uniform(0.15, 0.5))
    for x in np.arange(-0.6, 0.6, rng.uniform(0.07, 0.11)):
        pen.ellipse(x, -girth * 0.32, 0.02, 0.028, glass)
    cockpit = [(0.84, -girth * 0.45), (0.74, -girth * 0.68), (0.66, -girth * 0.62)]
    pen.blob([*cockpit, (0.68, -girth * 0.3)], glass)


def _draw_wheels(pen: Pen, girth: float) -> None:
    for x in (0.55, -0.05):
        pen.stroke([(x, girth * 0.8), (x + 0.02, girth + 0.14)], 0.025, STEEL)
        pen.ellipse(x + 0.02, girth + 0.16, 0.05, 0.05, BLACK)


def _draw_propeller(pen: Pen, rng: np.random.Generator, livery: Colour) -> None:
    pen.ellipse(0.02, 0, 0.04, 0.3, (230, 230, 235, 70))  # the blur of the turning blades
    lean = rng.uniform(-0.03, 0.03)
    blades = [(0.02 - lean, -0.28), (0.02, 0), (0.02 + lean, 0.28)]
    pen.stroke(blades, [0.03, 0.05, 0.03], BLACK)
    pen.ellipse(0.02, 0, 0.06, 0.06, livery)
