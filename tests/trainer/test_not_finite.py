"""Where numbers stopped being finite: step, epoch and layer are named."""

import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.dense_loop import batches, make_loop, take_steps
from trainer.not_finite import NotFiniteError, check_numbers

STEPS_PER_EPOCH = 2


def broken_batches(count, step):
    """NaN in one example of one step, counted from 1."""
    taken = batches(count)
    taken[step - 1][0][-1, 2] = np.nan
    return taken


def told(loop, progress):
    with pytest.raises(NotFiniteError) as caught:
        check_numbers(loop, progress, STEPS_PER_EPOCH)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("per_call", [1, 2, 4])
def test_nan_in_an_image(replicas, per_call, note_fault):
    happened = note_fault("numbers", "NaN in an image, seen at the end of two epochs")
    loop = make_loop(replicas=replicas, batch_norm=True)
    message = told(loop, take_steps(loop, broken_batches(4, step=3), per_call))
    happened(message.partition(", expected")[0])
    assert message.startswith(
        "received NaN or infinity on the way to the layer norm in step 3 (epoch 2), expected finite"
    )
    assert message.endswith("lower --learning_rate, or set --clip_norm.")


def test_without_moving_statistics_the_last_layer_with_such_gradients_is_named():
    loop = make_loop()
    message = told(loop, take_steps(loop, broken_batches(4, step=2)))
    assert "in the gradients of the layer last in step 2 (epoch 1)" in message


def test_a_loss_alone():
    loop = make_loop()
    progress = loop.begin(0)._replace(broken_step=tf.constant(5, tf.int64))
    assert "NaN or infinity in the loss in step 5 (epoch 3)" in told(loop, progress)


@pytest.mark.parametrize("layer", ["first", "norm", "last"])
def test_a_weight_that_is_not_finite(layer, note_fault):
    happened = note_fault("numbers", "NaN in a weight, where the loss may hide it")
    loop = make_loop(batch_norm=True)
    progress = take_steps(loop, batches(3))
    variable = loop.model.get_layer(layer).weights[-1]  # of the normalization its variance
    variable.assign(np.where(np.arange(variable.shape[0]) == 1, np.inf, variable))
    message = told(loop, progress)
    happened(message.partition(", expected")[0])
    assert f"in the weights of the layer {layer} in step 3 (epoch 2)" in message


@pytest.mark.parametrize("replicas", [1, 2])
def test_finite_numbers_pass(replicas):
    loop = make_loop(replicas=replicas, batch_norm=True)
    check_numbers(loop, loop.begin(0), STEPS_PER_EPOCH)
    check_numbers(loop, take_steps(loop, batches(3)), STEPS_PER_EPOCH)
