"""The steps: against Keras' own, on one replica and on two, with finite numbers and without."""

import collections
import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from model.choices import StridedNetChoices
from model.strided_net import build_strided_net
from pipelines.augmentation.augment import augment
from pipelines.augmentation.config import Augmentation
from pipelines.loading.dataset import eval_batches, train_batches
from pipelines.loading.options import InputOptions
from pipelines.tfrecords.manifest import ShardedDataset, load_manifest
from tests.small_network import build_small
from tests.testing.rounding import assert_same_but_for_rounding, nudged, nudged_state
from trainer.averaged_weights import AveragedWeights
from trainer.feed import Feed
from trainer.fused_adam import FusedAdam
from trainer.loop import Loop
from trainer.objective import Objective
from trainer.precision import LossScale
from trainer.strategy import make_strategy
from trainer.update import Update

pytestmark = pytest.mark.numerics

SIZE, CLASSES, BATCH = 16, 3, 8
Means = collections.namedtuple("Means", "loss accuracy norm progress")


# Smooth, since the slope of relu jumps where rounding changes a sign.
SMOOTH = "elu"


def strided_net(reg=None, **choices):
    choices = StridedNetChoices(activation=SMOOTH, **choices)
    return build_strided_net(SIZE, SIZE, 3, CLASSES, reg, choices=choices)


def small(**choices):
    """Two layers of each kind that StridedNet has; the steps do not depend on the network."""
    filters = (4, 6)
    return build_small(
        "small", SIZE, SIZE, 3, CLASSES, filters=filters, activation=SMOOTH, **choices
    )


def make_loop(
    replicas=1,
    *,
    network=small,
    sync_batch_norm=True,
    dropout=False,
    scale=None,
    l2=0.0,
    smoothing=0.0,
    optimizer=None,
    clip_norm=None,
    average_decay=None,
    **more,
):
    strategy = make_strategy("mirrored", replicas) if replicas > 1 else make_strategy("default")
    keras.utils.set_random_seed(0)
    with strategy.scope():
        regularizer = keras.regularizers.L2(l2) if l2 else None
        model = network(reg=regularizer, sync_batch_norm=sync_batch_norm and replicas > 1)
        if not dropout:
            for layer in model.layers:
                if isinstance(layer, keras.layers.Dropout):
                    layer.rate = 0.0
        loss_scale = None if scale is None else LossScale(scale)
        # Small steps: the network amplifies the rounding differences that the tests look past.
        optimizer = optimizer() if optimizer else keras.optimizers.SGD(1e-3, momentum=0.9)
        optimizer.build(model.trainable_variables)
    weights = model.trainable_variables
    averaged = AveragedWeights(strategy, weights, average_decay) if average_decay else None
    return Loop(
        strategy,
        model,
        Objective(model, BATCH, smoothing, **more),
        Update(strategy, optimizer, weights, clip_norm, loss_scale, averaged),
    )


def sgd():
    return keras.optimizers.SGD(1e-3, momentum=0.9)


def random_batches(count, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.random((count * BATCH, SIZE, SIZE, 3), dtype=np.float32)
    labels = rng.integers(0, CLASSES, count * BATCH)
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(BATCH)


def shares(loop, dataset):
    """The same batches, an element for each replica's share."""
    replicas = loop.strategy.num_replicas_in_sync
    return Feed(loop.strategy, dataset.unbatch().batch(BATCH // replicas))


def take_steps(loop, dataset, count, per_call=1):
    """Takes steps; returns mean loss, accuracy and norm of the gradient, and the progress."""
    steps, progress = iter(shares(loop, dataset)), loop.begin(0)
    for _ in range(count // per_call):
        progress = loop.train(steps.take(per_call), per_call, progress)
    cross_entropy, right, norm, taken = progress.sums.numpy()
    examples = max(taken, 1) * BATCH
    return Means(cross_entropy / examples, right / examples, norm / max(taken, 1), progress)


def ended(loop, dataset, count):
    """Mean loss and the model's variables after steps."""
    means = take_steps(loop, dataset, count)
    return [means.loss, *variables(loop.state())]


def variables(state):
    """The floating-point numbers of the model in a loop's state."""
    model = [array for name, array in state.items() if name.startswith("model/")]
    return [array for array in model if np.issubdtype(array.dtype, np.floating)]


def ended_and_control(loop, dataset, count):
    """The same; what a control gives; and what was before the steps."""
    start = loop.state()
    expected = ended(loop, dataset, count)
    loop.restore(nudged_state(start))
    return expected, ended(loop, dataset, count), [0.0, *variables(start)]


def assert_same_as_fit(loop, reference, loss, *data, **fit):
    """Compares weights after steps with those of Keras' own loop.

    Args:
        loop: After the steps.
        reference: A loop as it was before them, whose model `fit` trains.
        loss: What `fit` minimises.
        *data: What it takes.
        **fit: How it does.
    """
    model, optimizer = reference.model, sgd()
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, loss)
    slots = [np.array(variable) for variable in optimizer.variables]

    def fitted(start):
        model.set_weights(start)
        for variable, value in zip(optimizer.variables, slots, strict=True):
            variable.assign(value)
        model.fit(*data, shuffle=False, verbose=0, **fit)
        return model.get_weights()

    start = model.get_weights()
    expected, control = fitted(start), fitted([nudged(array) for array in start])
    assert_same_but_for_rounding(loop.model.get_weights(), expected, control, start)


def test_steps_equal_those_of_fit():
    dataset = random_batches(3)
    loop = make_loop(network=strided_net, l2=1.0, smoothing=0.1)
    take_steps(loop, dataset, 3)

    reference = make_loop(network=strided_net, l2=1.0)
    one_hot = dataset.map(lambda images, labels: (images, tf.one_hot(labels, CLASSES)))
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    assert_same_as_fit(loop, reference, loss, one_hot)


def plain_loop(model):
    strategy = tf.distribute.get_strategy()
    update = Update(strategy, sgd(), model.trainable_variables)
    return Loop(strategy, model, Objective(model, 4), update)


def test_model_and_data_sets_are_what_fit_takes(data_dir):
    manifest = load_manifest(data_dir)
    options = InputOptions(image_size=SIZE, batch_size=4)
    model = make_loop(network=strided_net).model
    # As a metric: the loss that `evaluate` prints is a mean over batches that counts the padding.
    cross_entropy = keras.metrics.SparseCategoricalCrossentropy()
    model.compile(
        "sgd", "sparse_categorical_crossentropy", weighted_metrics=[cross_entropy, "accuracy"]
    )
    history = model.fit(
        train_batches(ShardedDataset(data_dir, manifest), options, epochs=1, seed=0), verbose=0
    )
    assert np.isfinite(history.history["loss"][0])
    evaluation = eval_batches(ShardedDataset(data_dir, manifest), "test", options)
    _, loss, accuracy = model.evaluate(evaluation, verbose=0)
    metrics = plain_loop(model).predict(evaluation).metrics
    # The same answers of the same weights, summed over 6 examples in two ways.
    np.testing.assert_allclose([metrics.loss, metrics.accuracy], [loss, accuracy], rtol=1e-5)


def test_two_replicas_take_the_steps_of_one():
    one, two = (make_loop(replicas, network=strided_net, l2=1.0) for replicas in (1, 2))
    for got, expected in zip(two.model.get_weights(), one.model.get_weights(), strict=True):
        np.testing.assert_array_equal(got, expected)
    got = ended(two, random_batches(4), 4)
    assert_same_but_for_rounding(got, *ended_and_control(one, random_batches(4), 4))
    # No example is so near a tie that its answer would be another one.
    again = [take_steps(loop, random_batches(4), 4).accuracy for loop in (one, two)]
    assert again[0] == again[1]


def test_the_replicas_hold_the_same_weights():
    loop = make_loop(2, dropout=True)
    take_steps(loop, random_batches(3), 3)
    for variable in loop.model.variables:
        first, second = loop.strategy.experimental_local_results(variable.value)
        if "seed_generator" not in variable.path:
            np.testing.assert_array_equal(first.numpy(), second.numpy(), err_msg=variable.path)


def test_all_replicas_hold_the_mean_of_their_statistics():
    loop, halves = make_loop(2, sync_batch_norm=False), [make_loop(), make_loop()]
    batches = random_batches(1)
    take_steps(loop, batches, 1)
    half = BATCH // 2
    for number, alone in enumerate(halves):
        ((images, labels),) = batches
        part = slice(number * half, number * half + half)
        alone.train((images[part], labels[part]), 1, alone.begin(0))

    def statistics(loop):
        return [v for v in loop.model.non_trainable_variables if v.name.startswith("moving")]

    expected = zip(*(map(np.asarray, statistics(alone)) for alone in halves), strict=True)
    for variable, means in zip(statistics(loop), expected, strict=True):
        first, second = loop.strategy.experimental_local_results(variable.value)
        np.testing.assert_array_equal(first.numpy(), second.numpy())
        # Of the batch they take a hundredth, and with it a hundredth of its rounding.
        np.testing.assert_allclose(first.numpy(), np.mean(means, axis=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("replicas", [1, 2])
def test_several_steps_in_a_call_are_those_of_one_after_the_other(replicas):
    def after_steps(per_call):
        loop = make_loop(replicas, dropout=True, clip_norm=1.0, average_decay=0.9)
        progress = take_steps(loop, random_batches(4), 4, per_call).progress
        return loop.state() | {"sums": progress.sums.numpy(), "step": progress.step.numpy()}

    single = after_steps(1)
    assert single["step"] == 4
    np.testing.assert_equal(after_steps(2), single)


def every_part(replicas):
    return make_loop(replicas, dropout=True, optimizer=FusedAdam, scale=2.0**9, average_decay=0.9)


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_state_stays_as_it_was_while_steps_go_on(replicas):
    """It is the variables' own memory, and a thread writes it meanwhile."""
    loop = every_part(replicas)
    take_steps(loop, random_batches(1), 1)
    state, best = loop.state(), loop.evaluated_state()
    copy = {name: array.copy() for name, array in state.items()}, [array.copy() for array in best]
    take_steps(loop, random_batches(3), 3)
    with loop.evaluated_weights():
        pass
    np.testing.assert_equal((state, best), copy)
    changed = [name for name, array in loop.state().items() if (array != state[name]).any()]
    assert {name.split("/")[0] for name in changed} >= {"model", "optimizer", "averaged"}


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_restored_loop_takes_the_same_steps_bit_for_bit(replicas):
    loop, other = every_part(replicas), every_part(replicas)
    take_steps(loop, random_batches(2), 2)
    before = loop.state()
    take_steps(other, random_batches(1, seed=9), 1)
    other.restore(before)
    np.testing.assert_equal(other.state(), before)
    for one in (loop, other):
        take_steps(one, random_batches(2, seed=1), 2)
    np.testing.assert_equal(other.state(), loop.state())


def weighted(dataset):
    return dataset.map(lambda images, labels: (images, labels, tf.ones(BATCH)))


@pytest.mark.parametrize("replicas", [1, 2])
def test_predictions_leave_the_padding_out(replicas):
    loop = make_loop(replicas)
    images = np.random.default_rng(1).random((2 * BATCH, SIZE, SIZE, 3), dtype=np.float32)
    labels = np.arange(2 * BATCH) % CLASSES
    weights = (np.arange(2 * BATCH) < 11).astype(np.float32)
    dataset = tf.data.Dataset.from_tensor_slices((images, labels, weights)).batch(BATCH)

    predictions = loop.predict(shares(loop, dataset))

    probabilities = np.asarray(loop.model(images[:11], training=False))
    np.testing.assert_array_equal(predictions.labels, labels[:11])
    np.testing.assert_array_equal(predictions.predicted, probabilities.argmax(axis=1))
    # The same weights in a graph and op by op, in sums of a hundred products.
    np.testing.assert_allclose(predictions.confidence, probabilities.max(axis=1), rtol=1e-5)
    right = probabilities[np.arange(11), labels[:11]]
    np.testing.assert_allclose(predictions.label_probability, right, rtol=1e-5)
    assert predictions.metrics.loss == pytest.approx(-np.mean(np.log(right)), rel=1e-5)


@pytest.mark.parametrize("replicas", [1, 2])
def test_loss_scaling_changes_nothing_but_the_range(replicas):
    plain, scaled = make_loop(replicas), make_loop(replicas, scale=2.0**15)
    got = ended(scaled, random_batches(3), 3)
    assert float(scaled.update.loss_scale.scale.numpy()) == 2.0**15
    assert_same_but_for_rounding(got, *ended_and_control(plain, random_batches(3), 3))


@pytest.mark.parametrize("per_call", [1, 3])
def test_an_overflow_on_one_replica_skips_the_step_on_both(per_call, note_fault):
    happened = note_fault("numbers", f"an Inf on one replica, {per_call} step(s) a call")
    loop = make_loop(2, scale=1024.0, sync_batch_norm=False, average_decay=0.9)
    images, labels = next(iter(random_batches(1)))
    infinite = images.numpy()
    infinite[-1] = np.inf  # the last example goes to the second replica
    before = loop.state()

    dataset = tf.data.Dataset.from_tensors((infinite, labels)).repeat(per_call)
    means = take_steps(loop, dataset, per_call, per_call)

    scale = float(loop.update.loss_scale.scale.numpy())
    happened(f"no replica takes the step, the scale falls from 1024 to {scale:g}")
    assert scale == 1024.0 / 2**per_call
    assert means.progress.broken_step.numpy() == 0
    unchanged = [name for name in before if name.startswith(("model", "optimizer", "averaged"))]
    for name in unchanged:
        for copy in loop.strategy.experimental_local_results(loop._variables()[name]):
            # Dropout's random state moves on with the forward pass.
            if copy.dtype.is_floating:
                np.testing.assert_array_equal(copy.numpy(), before[name], err_msg=name)
    take_steps(loop, random_batches(1), 1)
    after = loop.state()
    assert any((after[name] != before[name]).any() for name in unchanged)


def test_weights_that_are_not_finite_are_noticed():
    loop = make_loop()
    assert loop.broken_weights() == []
    loop.model.layers[-2].bias.assign([0.0, np.nan, 0.0])
    assert loop.broken_weights() == [loop.model.layers[-2].name]


def test_loss_scale_grows_and_shrinks():
    scale = LossScale(8.0, growth_steps=3)
    finite = [True, True, True, True, False, True, True, True]
    seen = []
    for flag in finite:
        scale.update(tf.constant(flag))
        seen.append(float(scale.scale.numpy()))
    assert seen == [8, 8, 16, 16, 8, 8, 8, 16]
    for _ in itertools.repeat(None, 10):
        scale.update(tf.constant(False))
    assert float(scale.scale.numpy()) == 1.0


def test_class_weights_equal_those_of_fit():
    dataset, weights = random_batches(3), [0.5, 1.0, 3.0]
    loop = make_loop(class_weights=weights)
    take_steps(loop, dataset, 3)

    loss = keras.losses.SparseCategoricalCrossentropy()
    class_weight = dict(enumerate(weights))
    assert_same_as_fit(loop, make_loop(), loss, dataset, class_weight=class_weight)


def soft(dataset):
    """Halfway between each label and the next class."""

    def mixed(images, labels):
        other = (labels + 1) % CLASSES
        return images, 0.7 * tf.one_hot(labels, CLASSES) + 0.3 * tf.one_hot(other, CLASSES)

    return dataset.map(mixed)


@pytest.mark.parametrize("replicas", [1, 2])
def test_soft_labels_equal_those_of_fit(replicas):
    dataset = soft(random_batches(3))
    loop = make_loop(replicas)
    metrics = take_steps(loop, dataset, 3)

    assert_same_as_fit(loop, make_loop(), keras.losses.CategoricalCrossentropy(), dataset)
    assert 0 <= metrics.accuracy <= 1


def test_class_weights_count_what_is_in_a_mixed_label():
    """A label that is 0.7 of one class and 0.3 of another counts 0.7 and 0.3 of their weights."""
    dataset = soft(random_batches(1))
    images, labels = next(iter(dataset))
    weights = np.array([0.5, 1.0, 3.0], np.float32)
    loop = make_loop(class_weights=weights.tolist())
    take_steps(loop, dataset, 1)
    loss, counted = keras.losses.CategoricalCrossentropy(), labels @ weights[:, None]
    assert_same_as_fit(
        loop, make_loop(), loss, images, labels, sample_weight=counted, batch_size=BATCH
    )


@pytest.mark.parametrize("replicas", [1, 2])
def test_augmentation_on_the_device_gives_the_steps_of_the_host(data_dir, replicas):
    augmentation = Augmentation(cutmix=1.0, erasing=0.5, hue=0.1)
    manifest = load_manifest(data_dir)
    losses = []
    for augment_on in ("host", "device"):
        options = InputOptions(
            image_size=SIZE,
            batch_size=BATCH,
            augmentation=augmentation,
            augment_on=augment_on,
            replicas=replicas,
        )
        on_device = functools.partial(augment, augmentation=augmentation, num_classes=CLASSES)
        loop = make_loop(replicas, augment=on_device if augment_on == "device" else None)
        loop.optimizer.learning_rate = 0.0  # steps would amplify what is rounded differently
        batches = train_batches(ShardedDataset(data_dir, manifest), options, epochs=2, seed=0)
        steps, progress = iter(Feed(loop.strategy, batches)), loop.begin(0)
        for _ in range(4):
            progress = loop.train(next(steps), 1, progress)
        losses.append(progress.sums.numpy()[0])
    # Of the same weights; compiled, the pixels are within 1e-5 of those of the host.
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
