"""A loop over a model of two dense layers: small enough to be compared with NumPy and Keras."""

import keras
import numpy as np
import tensorflow as tf

from tests.testing.rounding import nudged_state
from trainer.averaged_weights import AveragedWeights
from trainer.feed import Feed
from trainer.loop import Loop
from trainer.objective import Objective
from trainer.strategy import make_strategy
from trainer.update import Update

BATCH, CLASSES, FEATURES = 8, 3, 5


def make_model(l2=0.0, batch_norm=False, replicas=1):
    keras.utils.set_random_seed(0)
    regularizer = keras.regularizers.L2(l2) if l2 else None
    normalization = keras.layers.BatchNormalization(synchronized=replicas > 1, name="norm")
    layers = [
        keras.Input((FEATURES,)),
        keras.layers.Dense(7, "tanh", kernel_regularizer=regularizer, name="first"),
        *([normalization] if batch_norm else []),
        keras.layers.Dense(CLASSES, "softmax", name="last"),
    ]
    return keras.Sequential(layers)


def make_loop(
    optimizer=None,
    *,
    replicas=1,
    l2=0.0,
    batch_norm=False,
    clip_norm=None,
    average_decay=None,
    **objective,
):
    strategy = make_strategy("mirrored", replicas) if replicas > 1 else make_strategy("default")
    with strategy.scope():
        model = make_model(l2, batch_norm, replicas)
        optimizer = optimizer() if optimizer else keras.optimizers.SGD(0.1)
        optimizer.build(model.trainable_variables)
    weights = model.trainable_variables
    averaged = AveragedWeights(strategy, weights, average_decay) if average_decay else None
    return Loop(
        strategy,
        model,
        Objective(model, BATCH, **objective),
        Update(strategy, optimizer, weights, clip_norm, None, averaged),
    )


def batches(count):
    """(features, labels) of each step."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((count, BATCH, FEATURES), np.float32)
    return list(zip(features, rng.integers(0, CLASSES, (count, BATCH)), strict=True))


def take_steps(loop, taken, per_call=1):
    """Takes a step for each batch; returns the progress after it."""
    progress, share = loop.begin(0), BATCH // loop.strategy.num_replicas_in_sync
    shares = tf.data.Dataset.from_tensor_slices(tuple(map(np.stack, zip(*taken, strict=True))))
    steps = iter(Feed(loop.strategy, shares.unbatch().batch(share)))
    for _ in range(len(taken) // per_call):
        progress = loop.train(steps.take(per_call), per_call, progress)
    return progress


def weights(loop):
    return [np.array(variable) for variable in loop.model.trainable_variables]


def weights_and_control(loop, taken):
    """The weights after steps, those of a control, and those before."""
    start, before = loop.state(), weights(loop)
    take_steps(loop, taken)
    expected = weights(loop)
    loop.restore(nudged_state(start))
    take_steps(loop, taken)
    return expected, weights(loop), before


def gradients_of(model, features, labels):
    """Of the mean cross-entropy and the model's penalties, by Keras alone."""
    with tf.GradientTape() as tape:
        losses = keras.losses.sparse_categorical_crossentropy(
            labels, model(features, training=True)
        )
        loss = tf.add_n([tf.reduce_mean(losses), *model.losses])
    return tape.gradient(loss, [variable.value for variable in model.trainable_variables])
