"""From gradients to weights: against Keras' own optimizers and TensorFlow's own clipping."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.testing.rounding import assert_same_but_for_rounding, nudged
from tests.trainer.dense_loop import (
    batches,
    gradients_of,
    make_loop,
    make_model,
    take_steps,
    weights,
)
from trainer.fused_adam import FusedAdam

pytestmark = pytest.mark.numerics


@pytest.mark.parametrize("factor", [0.01, 0.999, 1.0, 1.001, 100.0])
def test_clipping_is_that_of_clip_by_global_norm(factor):
    rng = np.random.default_rng(0)
    gradients = [tf.constant(rng.standard_normal(shape), tf.float32) for shape in [(3, 4), (4,)]]
    norm = tf.linalg.global_norm(gradients)
    clip_norm = float(norm) * factor
    expected, _ = tf.clip_by_global_norm(gradients, clip_norm)
    got = make_loop(clip_norm=clip_norm).update.clipped(gradients, norm)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)  # two products: four roundings


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_clipped_step_has_the_clipped_norm_of_the_whole_batch(replicas):
    plain, clipped = make_loop(replicas=replicas), make_loop(replicas=replicas, clip_norm=0.01)
    before = weights(plain)
    progress = [take_steps(loop, batches(1)) for loop in (plain, clipped)]

    def moved(loop):
        moves = zip(weights(loop), before, strict=True)
        return np.sqrt(sum(np.sum((a - b) ** 2) for a, b in moves))

    assert moved(plain) > 0.01
    # Weights below 1 keep 6e-8: 5e-4 of an element's move, 2e-5 of the norm of 66 of them.
    assert moved(clipped) == pytest.approx(0.1 * 0.01, rel=1e-4)  # times the learning rate
    norms = [p.sums.numpy()[2] for p in progress]
    assert norms[0] == norms[1]  # what is told is the norm before clipping
    assert norms[0] == pytest.approx(moved(plain) / 0.1, rel=1e-4)


OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.05),
    "fused adam": lambda: FusedAdam(0.05),
    "fused adam with decay": lambda: FusedAdam(0.05, weight_decay=0.3),
    "adamw": lambda: keras.optimizers.AdamW(0.05, weight_decay=0.3),
    "adamw with a schedule": lambda: keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(0.05, 6), weight_decay=0.3
    ),
    "sgd": lambda: keras.optimizers.SGD(0.05),
    "sgd with momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
    "sgd with momentum and decay": lambda: keras.optimizers.SGD(
        0.05, momentum=0.9, weight_decay=0.3
    ),
}


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_keras(name, replicas):
    loop = make_loop(OPTIMIZERS[name], replicas=replicas, batch_norm=True)
    take_steps(loop, batches(5))

    before = [np.array(variable) for variable in make_model(batch_norm=True).trainable_variables]
    expected = trained_by_keras(OPTIMIZERS[name](), before)
    control = trained_by_keras(OPTIMIZERS[name](), [nudged(array) for array in before])
    assert_same_but_for_rounding(weights(loop), expected, control, before)
    assert int(np.array(loop.optimizer.iterations)) == 5


def trained_by_keras(optimizer, first_weights):
    """The weights after five steps of a Keras optimizer."""
    model = make_model(batch_norm=True)
    variables = model.trainable_variables
    for variable, value in zip(variables, first_weights, strict=True):
        variable.assign(value)
    if optimizer.weight_decay:
        kernels = ("first/kernel", "last/kernel")
        others = [v for v in variables if not v.path.endswith(kernels)]
        assert len(others) == len(variables) - 2 == 4  # two biases, gamma, beta
        optimizer.exclude_from_weight_decay(var_list=others)
    for features, labels in batches(5):
        optimizer.apply(gradients_of(model, features, labels), variables)
    return [np.array(variable) for variable in variables]


def test_decay_moves_the_weights_far_more_than_the_tolerance():
    """Or else the comparison above would prove nothing of it."""
    plain, decayed = make_loop(OPTIMIZERS["adam"]), make_loop(OPTIMIZERS["adamw"])
    for loop in (plain, decayed):
        take_steps(loop, batches(5))
    both = zip(weights(plain), weights(decayed), strict=True)
    assert max(np.abs(a - b).max() for a, b in both) > 1e-2
