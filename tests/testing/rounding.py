"""How far apart two trainings may be that differ in their rounding alone.

Another processor, another number of threads or of replicas sums in another order. How far that
takes weights apart depends on the network, the optimizer and the processor, so no constant is right
everywhere. Instead a control tells: the expected training once more, from weights that were moved
by one unit in the last place. It tells so of smooth networks only: the slope of relu jumps where
rounding changes a sign, in the one run or in the other.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

# Rounding strikes in every operation of every step, the control's change once, before the first.
# The most that was seen was 5; 11 in Grad-CAM, whose maps are small differences of large sums.
FACTOR = 40
# What a mistake does to weights is a large part of what training does: half a gradient, a share
# that is seen twice. So the control has to leave that outside of what is allowed.
LARGEST_SHARE = 0.2


def nudged(array: Any) -> np.ndarray:
    """Every number one unit in the last place away, up or down; integers as they are."""
    array = np.asarray(array)
    if not np.issubdtype(array.dtype, np.floating):
        return array
    up = np.random.default_rng(array.size).integers(0, 2, array.shape, dtype=bool)
    return np.nextafter(array, np.where(up, np.inf, -np.inf).astype(array.dtype))


def assert_same_but_for_rounding(
    got: Sequence[Any], expected: Sequence[Any], control: Sequence[Any], start: Sequence[Any]
) -> None:
    """Compares arrays, such as the weights at the end of a training.

    Args:
        got: What is tested.
        expected: What a reference gives.
        control: What it gives from `nudged` weights.
        start: What both had before; 0 for figures that had no value then.
    """
    for place, values in enumerate(zip(got, expected, control, start, strict=True)):
        one, reference, other, before = (np.asarray(value, float) for value in values)
        assert one.shape == reference.shape, f"array {place}: {one.shape}, not {reference.shape}"
        apart, noise, moved = (np.max(np.abs(reference - x)) for x in (one, other, before))
        # Of a few numbers none may have moved in the control.
        noise = max(noise, np.finfo(np.float32).eps * np.max(np.abs(reference)))
        said = f"array {place}: {apart:.1e} away, the control {noise:.1e}, the start {moved:.1e}"
        assert apart <= FACTOR * noise, said
        assert FACTOR * noise < LARGEST_SHARE * moved, f"{said}: it would hide faults"


def answers_and_control(ask: Callable[[], np.ndarray], model: Any) -> tuple[np.ndarray, np.ndarray]:
    """What a function of a Keras model returns, and what it does while the weights are `nudged`."""
    expected, weights = np.asarray(ask()), model.get_weights()
    model.set_weights([nudged(array) for array in weights])
    try:
        control = np.asarray(ask())
    finally:
        model.set_weights(weights)
    return expected, control


def assert_same_answers(got: np.ndarray, ask: Callable[[], np.ndarray], model: Any) -> None:
    """Compares with what `ask` returns, a function of a Keras model, except for rounding."""
    expected, control = answers_and_control(ask, model)
    assert_same_but_for_rounding([got], [expected], [control], [np.zeros_like(expected)])


def nudged_state(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The state of a `Loop` with the model's weights `nudged`."""
    return {name: nudged(a) if name.startswith("model/") else a for name, a in state.items()}
