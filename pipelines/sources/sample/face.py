"""A person from head to shoulders."""

import numpy as np

from pipelines.sources.sample.pen import (
    BLACK,
    SHADOW,
    SHINE,
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

SKIN_TONES = colours("ffe2c8 f4c8a0 dea87a b27852 7a5038 54382c")
HAIR_TONES = colours("221c1a 422c20 c0bebe 7c4e2c dab068 ac4828")
HAIR_STYLES = ("short", "short", "long", "long", "bun", "curls", "bald")


def draw_face(pen: Pen, rng: np.random.Generator) -> None:
    """Draws a person who looks a little to the right, in [-0.8, 0.8] x [-1.05, 1.05]."""
    first, second = rng.choice(len(SKIN_TONES), 2)
    skin = mix(SKIN_TONES[first], SKIN_TONES[second], rng.uniform(0, 0.4))
    tones = HAIR_TONES if first < 3 else HAIR_TONES[:3]
    dyed = rng.random() < 0.1
    hair = hsv(rng.random(), 0.6, 0.7) if dyed else pick(rng, tones)
    style = pick(rng, HAIR_STYLES)
    _draw_hair_behind(pen, rng, hair, style)
    _draw_bust(pen, rng, skin)
    for side in (-1, 1):
        pen.ellipse(0.47 * side, -0.08, 0.08, 0.13, mix(skin, BLACK, 0.1))
    jaw = rng.uniform(0.26, 0.36)
    pen.blob(mirrored([(0, -0.68), (0.42, -0.42), (0.46, 0), (jaw, 0.38), (0, 0.54)]), skin)
    features = pen.moved(rng.uniform(-0.02, 0.1), rng.uniform(-0.05, 0.05))
    _draw_beard(features, rng, hair)
    _draw_nose(features, rng, skin)
    _draw_mouth(features, rng, skin)
    _draw_eyes(features, rng, hair, skin)
    if rng.random() < 0.3:
        _draw_glasses(features, rng)
    _draw_fringe(pen, rng, hair, style)
    if rng.random() < 0.22:
        _draw_hat(pen, rng)


def _draw_hair_behind(pen: Pen, rng: np.random.Generator, hair: Colour, style: str) -> None:
    if style == "long":
        outline = [(0, -0.8), (0.56, -0.4), (0.6, rng.uniform(0.35, 0.75)), (0, 0.5)]
        pen.blob(mirrored(outline), mix(hair, BLACK, 0.2))
    elif style == "bun":
        pen.ellipse(0, -0.78, 0.22, 0.2, hair)


def _draw_bust(pen: Pen, rng: np.random.Generator, skin: Colour) -> None:
    shirt = hsv(rng.random(), rng.uniform(0.1, 0.8), rng.uniform(0.3, 0.95))
    width = rng.uniform(0.6, 0.72)
    shoulder = [(0, 0.6), (0.3, 0.63), (width - 0.06, 0.74), (width, 0.95), (width - 0.1, 1.04)]
    pen.blob(mirrored([*shoulder, (0, 1.05)]), shirt)
    pen.blob(mirrored([(0, 0.3), (0.2, 0.32), (0.22, 0.6), (0, 0.74)]), mix(skin, BLACK, 0.2))
    collar = pick(rng, [WHITE, mix(shirt, BLACK, 0.35), mix(shirt, WHITE, 0.5)])
    pen.stroke(smooth([(-0.26, 0.6), (0, 0.78), (0.26, 0.6)]), 0.06, collar)


def _draw_eyes(pen: Pen, rng: np.random.Generator, hair: Colour, skin: Colour) -> None:
    iris = hsv(pick(rng, [0.07, 0.08, 0.3, 0.58]), 0.6, rng.uniform(0.25, 0.65))
    opening, gaze = rng.uniform(0.05, 0.085), rng.uniform(-0.025, 0.035)
    raised, slant = rng.uniform(-0.03, 0.03), rng.uniform(-0.04, 0.04)
    for side in (-1, 1):
        eye = pen.moved(0.2 * side, -0.1)
        eye.ellipse(0, 0, 0.11, opening + 0.02, mix(skin, BLACK, 0.3))
        eye.ellipse(0, 0.008, 0.1, opening, WHITE)
        eye.ellipse(gaze, 0.005, 0.055, min(0.055, opening), iris)
        eye.ellipse(gaze, 0.005, 0.028, 0.03, BLACK)
        eye.ellipse(gaze + 0.02, -0.02, 0.013, 0.013, WHITE)
        brow = [(-0.11, -0.13 - slant * side), (0, -0.17 - raised), (0.11, -0.13 + slant * side)]
        eye.stroke(smooth(brow), 0.04, mix(hair, BLACK, 0.3))


def _draw_glasses(pen: Pen, rng: np.random.Generator) -> None:
    frame = hsv(rng.random(), rng.uniform(0, 0.7), rng.uniform(0.1, 0.6))
    for side in (-1, 1):
        pen.ellipse(0.2 * side, -0.09, 0.15, 0.15, (220, 235, 255, 60))
        pen.ring(0.2 * side, -0.09, 0.15, 0.03, frame)
        pen.stroke([(0.35 * side, -0.1), (0.46 * side, -0.12)], 0.03, frame)
    pen.stroke([(-0.05, -0.11), (0.05, -0.11)], 0.03, frame)


def _draw_nose(pen: Pen, rng: np.random.Generator, skin: Colour) -> None:
    for side in (-1, 1):  # cheeks
        pen.ellipse(0.27 * side, 0.12, 0.1, 0.07, (235, 90, 80, int(rng.integers(15, 60))))
    wide, low = rng.uniform(0.05, 0.09), rng.uniform(0.08, 0.14)
    nose = [(0.02, -0.08), (wide + 0.02, low), (0.01, low + 0.05), (-wide, low)]
    pen.blob(nose, mix(skin, BLACK, 0.14))
    pen.ellipse(0, low - 0.01, 0.03, 0.03, SHINE)


def _draw_mouth(pen: Pen, rng: np.random.Generator, skin: Colour) -> None:
    lips = mix(skin, (170, 44, 54), rng.uniform(0.4, 0.8))
    reach, smile = rng.uniform(0.12, 0.2), rng.uniform(-0.02, 0.09)
    if rng.random() < 0.5:  # closed
        line = [(-reach, 0.3 - smile), (0, 0.31 + smile / 2), (reach, 0.3 - smile)]
        pen.stroke(smooth(line), 0.05, lips)
        return
    drop = rng.uniform(0.06, 0.12)
    pen.blob([(-reach, 0.27), (0, 0.28), (reach, 0.27), (0, 0.3 + drop)], lips)
    pen.blob([(-0.75 * reach, 0.28), (0.75 * reach, 0.28), (0, 0.27 + drop / 2)], WHITE)


def _draw_beard(pen: Pen, rng: np.random.Generator, hair: Colour) -> None:
    kind = rng.random()
    if kind < 0.16:
        pen.blob(mirrored([(0, 0.16), (0.2, 0.2), (0.4, 0.05), (0.31, 0.45), (0, 0.62)]), hair)
    elif kind < 0.28:
        pen.stroke(smooth([(-0.2, 0.26), (0, 0.2), (0.2, 0.26)]), 0.08, hair)


def _draw_fringe(pen: Pen, rng: np.random.Generator, hair: Colour, style: str) -> None:
    if style == "bald":
        pen.ellipse(0.12, -0.5, 0.12, 0.06, SHINE)
        return
    if style == "curls":
        for angle in np.linspace(np.pi * 0.95, np.pi * 2.05, 13):
            radius = rng.uniform(0.13, 0.17)
            pen.ellipse(0.45 * np.cos(angle), -0.2 + 0.5 * np.sin(angle), radius, radius, hair)
        return
    part, line = rng.uniform(-0.3, 0.3), rng.uniform(-0.46, -0.3)
    crown = [(-0.5, -0.05), (-0.52, -0.45), (-0.25, -0.76), (0.2, -0.78), (0.5, -0.48)]
    right = [(0.5, -0.05), (0.42, -0.3), (part + 0.2, line)]
    left = [(part, line - 0.1), (part - 0.2, line), (-0.42, -0.3)]
    shade = [(x, y + 0.04) for x, y in [(-0.4, -0.4), (0.4, -0.4), *right[1:], *left]]
    pen.blob(shade, SHADOW)
    pen.blob([*crown, *right, *left], hair)
    lock = smooth([(-0.32, -0.55), (-0.1, -0.67), (0.2, -0.66)])
    pen.stroke(lock, 0.035, mix(hair, WHITE, 0.2))


def _draw_hat(pen: Pen, rng: np.random.Generator) -> None:
    colour = hsv(rng.random(), rng.uniform(0.2, 0.8), rng.uniform(0.3, 0.9))
    if rng.random() < 0.5:  # a knitted cap
        pen.blob(mirrored([(0, -0.93), (0.44, -0.72), (0.52, -0.36), (0, -0.4)]), colour)
        pen.stroke([(-0.46, -0.4), (0.46, -0.4)], 0.16, mix(colour, WHITE, 0.3))
        pen.ellipse(0, -0.93, 0.1, 0.1, mix(colour, WHITE, 0.5))
    else:  # a hat with a brim
        pen.blob(mirrored([(0, -0.86), (0.36, -0.88), (0.42, -0.45), (0, -0.42)]), colour)
        pen.stroke([(-0.36, -0.55), (0.36, -0.55)], 0.1, mix(colour, BLACK, 0.6))
        pen.ellipse(0, -0.46, 0.74, 0.09, mix(colour, BLACK, 0.15))
