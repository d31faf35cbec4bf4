"""Adam in one operation against Keras' own, and their states."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.fused_adam import FusedAdam

pytestmark = pytest.mark.numerics

RATE = keras.optimizers.schedules.CosineDecay(0.05, 10)


def after_steps(optimizer, count=7):
    """The variable, and then the optimizer's."""
    rng = np.random.default_rng(0)
    variable = keras.Variable(rng.normal(size=(5, 3)).astype("float32"), name="kernel")
    optimizer.build([variable])
    for _ in range(count):
        gradient = tf.constant(rng.normal(size=(5, 3)), tf.float32)
        rate_now = tf.convert_to_tensor(optimizer.learning_rate)
        optimizer.update_step(gradient, variable.value, rate_now)
        optimizer.iterations.assign_add(1)
    return [variable, *optimizer.variables]


def test_steps_and_state_are_those_of_keras():
    got, expected = (after_steps(kind(RATE)) for kind in (FusedAdam, keras.optimizers.Adam))
    for one, other in zip(got, expected, strict=True):
        # Element by element, no sums: a few roundings of moves below 0.05 in each of 7 steps.
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=5e-6)
        assert one.name == other.name
    start = after_steps(FusedAdam(RATE), count=0)[0]
    assert np.abs(got[0].numpy() - start.numpy()).max() > 0.05
