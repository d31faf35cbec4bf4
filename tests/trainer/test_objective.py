"""The gradients of a batch that is taken in pieces are those of the whole."""

import numpy as np
import pytest

from tests.testing.rounding import assert_same_but_for_rounding
from tests.trainer.dense_loop import (
    batches,
    gradients_of,
    make_loop,
    make_model,
    take_steps,
    weights_and_control,
)
from tests.trainer.dense_loop import weights as weights_of

pytestmark = pytest.mark.numerics


@pytest.mark.parametrize(
    ("l2", "class_weights", "replicas"),
    [
        (0.0, None, 1),
        (0.1, None, 2),
        (0.1, [0.5, 1.0, 3.0], 1),
        (0.0, [0.5, 1.0, 3.0], 2),
    ],
)
def test_pieces_add_up_to_the_whole(l2, class_weights, replicas):
    taken = batches(3)
    more = {"l2": l2, "replicas": replicas, "class_weights": class_weights}
    whole, pieces = make_loop(**more), make_loop(**more, pieces=4)
    sums = [take_steps(loop, taken[:1]).sums.numpy() for loop in (make_loop(**more), pieces)]
    # Of the same weights: sums of eight numbers, in two orders.
    np.testing.assert_allclose(sums[1], sums[0], rtol=1e-5)
    take_steps(pieces, taken[1:])
    assert_same_but_for_rounding(weights_of(pieces), *weights_and_control(whole, taken))


@pytest.mark.parametrize(("pieces", "replicas"), [(1, 1), (8, 1), (4, 2)])
def test_a_step_is_the_gradient_of_mean_cross_entropy_and_penalty(pieces, replicas):
    loop, reference = make_loop(l2=0.1, replicas=replicas, pieces=pieces), make_model(l2=0.1)
    before = weights_of(loop)
    ((features, labels),) = batches(1)
    take_steps(loop, [(features, labels)])
    gradients = gradients_of(reference, features, labels)
    for got, old, gradient in zip(weights_of(loop), before, gradients, strict=True):
        # The difference of weights below 1 is exact to 6e-8, and ten times that as a gradient.
        np.testing.assert_allclose((old - got) / 0.1, gradient, rtol=1e-3, atol=1e-5)


def test_pieces_of_mixed_labels():
    """Labels of two classes, as MixUp makes them."""
    ((features, labels),) = batches(1)
    soft = (0.7 * np.eye(3)[labels] + 0.3 * np.eye(3)[(labels + 1) % 3]).astype(np.float32)
    whole, pieces = make_loop(), make_loop(pieces=4)
    take_steps(pieces, [(features, soft)])
    assert_same_but_for_rounding(
        weights_of(pieces), *weights_and_control(whole, [(features, soft)])
    )
