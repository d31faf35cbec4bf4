"""Every network as the trainer makes it: it trains on two replicas, which stay the same."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from model.registry import NETWORKS
from trainer.config import TrainConfig
from trainer.feed import Feed
from trainer.loop_setup import make_loop
from trainer.strategy import make_strategy

SIZE, CLASSES, BATCH = 8, 2, 8


def loop_of(replicas=1, **flags):
    strategy = make_strategy("mirrored", replicas) if replicas > 1 else make_strategy("default")
    config = TrainConfig(image_size=SIZE, batch_size=BATCH, precision="float32", **flags)
    manifest = types.SimpleNamespace(class_names=("dark", "light"))
    return make_loop(config, strategy, manifest, 1)


def dark_and_light(count):
    """Batches of images, of which the first class is dark and the second light."""
    labels = np.arange(count * BATCH) % CLASSES
    noise = np.random.default_rng(0).random((count * BATCH, SIZE, SIZE, 3), dtype=np.float32)
    images = 0.5 * noise + 0.5 * labels[:, None, None, None].astype(np.float32)
    return tf.data.Dataset.from_tensor_slices((images, labels))


# Those of many layers take long to trace, and with synchronized normalizations, whose time grows
# faster than their number, the longest: a minute of the processor for the 45 of InceptionNet.
SLOW = ("inception", "fire")


@pytest.mark.parametrize(
    "name",
    [pytest.param(x, marks=pytest.mark.slow) if x in SLOW else x for x in NETWORKS],
)
def test_every_network_trains_on_two_replicas(name):
    flags = {"dense_dropout": 0.0, "learning_rate": 1e-3, "schedule": "constant"}
    loop = loop_of(2, model=name, sync_batch_norm=name == "strided_net", **flags)
    steps = iter(Feed(loop.strategy, dark_and_light(6).batch(BATCH // 2)))
    losses, progress = [], loop.begin(0)
    for _ in range(6):
        before = progress.sums.numpy()[0]
        progress = loop.train(steps.take(1), 1, progress)
        losses.append((progress.sums.numpy()[0] - before) / BATCH)
    assert np.isfinite(losses).all()
    assert min(losses[3:]) < losses[0]  # dark and light images: any step in the right direction
    for variable in loop.model.variables:
        first, second = loop.strategy.experimental_local_results(variable.value)
        np.testing.assert_array_equal(first, second, err_msg=variable.path)


def test_flags_reach_the_network():
    loop = loop_of(
        stem_filters=5,
        stem_kernel_size=3,
        downsampling="max_pool",
        padding="same",
        dilation=2,
        activation="elu",
        use_bias=False,
        batch_norm_momentum=0.7,
        dropout=0.1,
        dense_dropout=0.2,
        init="orthogonal",
        l1=0.25,
        l2=0.5,
    )
    stem, pool, first, activation, norm, *rest = loop.model.layers
    assert stem.kernel.shape == (3, 3, 3, 5) and stem.padding == "same" and stem.bias is None
    assert isinstance(pool, keras.layers.MaxPooling2D)
    assert first.dilation_rate == (2, 2)
    assert type(first.kernel_initializer).__name__ == "Orthogonal"
    penalties = first.kernel_regularizer.get_config()
    assert {name: float(value) for name, value in penalties.items()} == {"l1": 0.25, "l2": 0.5}
    assert activation.activation is keras.activations.elu
    assert norm.momentum == 0.7
    rates = [layer.rate for layer in rest if isinstance(layer, keras.layers.Dropout)]
    assert rates == [0.1, 0.1, 0.1, 0.2]


def test_no_penalty_and_no_normalization_unless_asked_for():
    model = loop_of(model="vgg", batch_norm=False).model
    assert model.losses == []
    assert not [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
