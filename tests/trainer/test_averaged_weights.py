"""Averaged weights: their formula, and that they and the model's own change places."""

import numpy as np
import pytest

from tests.trainer.dense_loop import batches, make_loop, take_steps, weights

pytestmark = pytest.mark.numerics


def averages(loop):
    return [variable.numpy() for variable in loop.update.averaged.variables]


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("decay", [0.15, 0.999])
def test_equal_a_numpy_reference_with_its_warmup(decay, replicas):
    loop = make_loop(replicas=replicas, average_decay=decay)
    expected = [array.astype(np.float64) for array in weights(loop)]
    taken = batches(4)
    plain = make_loop(replicas=replicas)
    for n in range(4):
        take_steps(plain, taken[n : n + 1])
        share = 1 - min(decay, (1 + n) / (10 + n))
        expected = [
            old + share * (w - old) for old, w in zip(expected, weights(plain), strict=True)
        ]
    take_steps(loop, taken)
    for got, reference in zip(averages(loop), expected, strict=True):
        # Of weights that are the same bit for bit: three roundings in each of 4 steps.
        np.testing.assert_allclose(got, reference, rtol=1e-5, atol=1e-6)
    for got, own in zip(weights(loop), weights(plain), strict=True):
        np.testing.assert_array_equal(got, own)  # the training does not see them


@pytest.mark.parametrize("replicas", [1, 2])
def test_change_places_bit_for_bit(replicas):
    loop = make_loop(replicas=replicas, average_decay=0.9)
    take_steps(loop, batches(3))
    own, averaged = weights(loop), averages(loop)
    assert any((a != b).any() for a, b in zip(own, averaged, strict=True))
    with loop.evaluated_weights():
        np.testing.assert_equal(weights(loop), averaged)
        np.testing.assert_equal(averages(loop), own)
    np.testing.assert_equal(weights(loop), own)
    np.testing.assert_equal(averages(loop), averaged)
    for variable in loop.model.trainable_variables:  # on all replicas
        first, *others = loop.strategy.experimental_local_results(variable.value)
        for other in others:
            np.testing.assert_array_equal(first.numpy(), other.numpy())


def test_change_back_after_an_error():
    loop = make_loop(average_decay=0.9)
    take_steps(loop, batches(2))
    own = weights(loop)
    with pytest.raises(ValueError, match="mine"), loop.evaluated_weights():
        raise ValueError("mine")
    np.testing.assert_equal(weights(loop), own)


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_settled_loop_has_the_weights_that_count(replicas):
    loop = make_loop(replicas=replicas, average_decay=0.9)
    take_steps(loop, batches(2))
    averaged = averages(loop)
    loop.settle()
    np.testing.assert_equal(weights(loop), averaged)
    with loop.evaluated_weights():
        np.testing.assert_equal(weights(loop), averaged)


def test_a_settled_loop_has_the_best_weights_if_they_are_given():
    loop = make_loop(average_decay=0.9)
    take_steps(loop, batches(1))
    best, averaged = loop.evaluated_state(), averages(loop)
    take_steps(loop, batches(3))
    loop.settle(best)
    np.testing.assert_equal(weights(loop), averaged)
