"""The steps: against Keras' own, on one replica and on two, with finite numbers and without."""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from model.strided_net import build_strided_net
from pipelines.augmentation.augment import augment
from pipelines.augmentation.ranges import Augmentation
from pipelines.dataset import eval_batches, train_batches
from pipelines.input_options import InputOptions
from pipelines.manifest import load_manifest
from trainer.feed import Feed
from trainer.loop import Loop
from trainer.precision import LossScale
from trainer.strategy import make_strategy

SIZE, CLASSES, BATCH = 16, 3, 8


def make_loop(
    replicas=1,
    *,
    sync_batch_norm=True,
    dropout=False,
    scale=None,
    l2=0.0,
    smoothing=0.0,
    **more,
):
    strategy = make_strategy("mirrored", replicas) if replicas > 1 else make_strategy("default")
    keras.utils.set_random_seed(0)
    with strategy.scope():
        regularizer = keras.regularizers.L2(l2) if l2 else None
        model = build_strided_net(
            SIZE, SIZE, 3, CLASSES, regularizer, sync_batch_norm=sync_batch_norm and replicas > 1
        )
        if not dropout:
            for layer in model.layers:
                if isinstance(layer, keras.layers.Dropout):
                    layer.rate = 0.0
        loss_scale = None if scale is None else LossScale(scale)
        # Small steps: the network amplifies the rounding differences that the tests look past.
        optimizer = keras.optimizers.SGD(1e-3, momentum=0.9)
    return Loop(strategy, model, optimizer, BATCH, smoothing, loss_scale, **more)


def random_batches(count, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.random((count * BATCH, SIZE, SIZE, 3), dtype=np.float32)
    labels = rng.integers(0, CLASSES, count * BATCH)
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(BATCH)


def take_steps(loop, dataset, steps):
    batches = iter(loop.strategy.experimental_distribute_dataset(dataset))
    return loop.train_epoch(batches, steps, lambda *progress: None)


def test_steps_equal_those_of_fit():
    dataset = random_batches(3)
    loop = make_loop(l2=1.0, smoothing=0.1)
    take_steps(loop, dataset, 3)

    reference = make_loop(l2=1.0)
    reference.model.compile(
        reference.optimizer, keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    )
    one_hot = dataset.map(lambda images, labels: (images, tf.one_hot(labels, CLASSES)))
    reference.model.fit(one_hot, shuffle=False, verbose=0)

    for got, expected in zip(loop.model.get_weights(), reference.model.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_model_and_data_sets_are_what_fit_takes(data_dir):
    manifest = load_manifest(data_dir)
    options = InputOptions(image_size=SIZE, batch_size=4)
    model = make_loop().model
    # As a metric: the loss that `evaluate` prints is a mean over batches that counts the padding.
    cross_entropy = keras.metrics.SparseCategoricalCrossentropy()
    model.compile(
        "sgd", "sparse_categorical_crossentropy", weighted_metrics=[cross_entropy, "accuracy"]
    )
    history = model.fit(train_batches(data_dir, manifest, options, epochs=1, seed=0), verbose=0)
    assert np.isfinite(history.history["loss"][0])
    evaluation = eval_batches(data_dir, manifest, "test", options)
    _, loss, accuracy = model.evaluate(evaluation, verbose=0)
    metrics = (
        Loop(tf.distribute.get_strategy(), model, model.optimizer, 4).predict(evaluation).metrics
    )
    np.testing.assert_allclose([metrics.loss, metrics.accuracy], [loss, accuracy], rtol=1e-5)


def test_two_replicas_take_the_steps_of_one():
    one, two = make_loop(1, l2=1.0), make_loop(2, l2=1.0)
    for got, expected in zip(two.model.get_weights(), one.model.get_weights(), strict=True):
        np.testing.assert_array_equal(got, expected)
    metrics = [take_steps(loop, random_batches(4), 4) for loop in (one, two)]
    assert metrics[1].loss == pytest.approx(metrics[0].loss, rel=1e-4)
    assert metrics[1].accuracy == metrics[0].accuracy
    for got, expected in zip(two.model.get_weights(), one.model.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-5)


def test_the_replicas_hold_the_same_weights():
    loop = make_loop(2, dropout=True)
    take_steps(loop, random_batches(3), 3)
    for variable in loop.model.variables:
        first, second = loop.strategy.experimental_local_results(variable.value)
        if "seed_generator" not in variable.path:
            np.testing.assert_array_equal(first.numpy(), second.numpy(), err_msg=variable.path)


def test_statistics_of_the_replicas_are_averaged_before_evaluation():
    loop = make_loop(2, sync_batch_norm=False)
    take_steps(loop, random_batches(3), 3)

    def copies():
        means = [v for v in loop.model.non_trainable_variables if v.name == "moving_mean"]
        return [
            [copy.numpy() for copy in loop.strategy.experimental_local_results(mean.value)]
            for mean in means
        ]

    before = copies()
    assert all(np.abs(first - second).max() > 0 for first, second in before)
    loop.predict(loop.strategy.experimental_distribute_dataset(weighted(random_batches(1))))
    for (first, second), old in zip(copies(), before, strict=True):
        np.testing.assert_array_equal(first, second)
        np.testing.assert_allclose(first, np.mean(old, axis=0), rtol=1e-6)


def weighted(dataset):
    return dataset.map(lambda images, labels: (images, labels, tf.ones(BATCH)))


@pytest.mark.parametrize("replicas", [1, 2])
def test_predictions_leave_the_padding_out(replicas):
    loop = make_loop(replicas)
    images = np.random.default_rng(1).random((2 * BATCH, SIZE, SIZE, 3), dtype=np.float32)
    labels = np.arange(2 * BATCH) % CLASSES
    weights = (np.arange(2 * BATCH) < 11).astype(np.float32)
    dataset = tf.data.Dataset.from_tensor_slices((images, labels, weights)).batch(BATCH)

    predictions = loop.predict(loop.strategy.experimental_distribute_dataset(dataset))

    probabilities = np.asarray(loop.model(images[:11], training=False))
    np.testing.assert_array_equal(predictions.labels, labels[:11])
    np.testing.assert_array_equal(predictions.predicted, probabilities.argmax(axis=1))
    np.testing.assert_allclose(predictions.confidence, probabilities.max(axis=1), rtol=1e-5)
    right = probabilities[np.arange(11), labels[:11]]
    np.testing.assert_allclose(predictions.label_probability, right, rtol=1e-5)
    assert predictions.metrics.loss == pytest.approx(-np.mean(np.log(right)), rel=1e-5)


@pytest.mark.parametrize("replicas", [1, 2])
def test_loss_scaling_changes_nothing_but_the_range(replicas):
    plain, scaled = make_loop(replicas), make_loop(replicas, scale=2.0**15)
    for loop in (plain, scaled):
        take_steps(loop, random_batches(3), 3)
    assert float(scaled.loss_scale.scale.numpy()) == 2.0**15
    for got, expected in zip(scaled.model.get_weights(), plain.model.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-6)


def test_an_overflow_on_one_replica_skips_the_step_on_both():
    loop = make_loop(2, scale=1024.0, sync_batch_norm=False)
    images, labels = next(iter(random_batches(1)))
    infinite = images.numpy()
    infinite[-1] = np.inf  # the last example goes to the second replica
    before = [variable.numpy() for variable in loop.model.trainable_variables]

    take_steps(loop, tf.data.Dataset.from_tensors((infinite, labels)), 1)

    assert float(loop.loss_scale.scale.numpy()) == 512.0
    for variable, old in zip(loop.model.trainable_variables, before, strict=True):
        for copy in loop.strategy.experimental_local_results(variable.value):
            np.testing.assert_array_equal(copy.numpy(), old)
    take_steps(loop, random_batches(1), 1)
    assert any(
        np.abs(variable.numpy() - old).max() > 0
        for variable, old in zip(loop.model.trainable_variables, before, strict=True)
    )


def test_weights_that_are_not_finite_are_noticed():
    loop = make_loop()
    assert loop.weights_are_finite()
    loop.model.layers[-2].bias.assign([0.0, np.nan, 0.0])
    assert not loop.weights_are_finite()


def test_progress_is_told_with_running_means(monkeypatch):
    monkeypatch.setattr("trainer.loop.PROGRESS_SECONDS", 0.0)
    loop, told = make_loop(), []
    batches = iter(random_batches(3))
    metrics = loop.train_epoch(batches, 3, lambda *progress: told.append(progress))
    assert [step for step, _, _ in told] == [1, 2, 3]
    assert told[-1][1:] == (metrics.loss, metrics.accuracy)
    assert 0 <= metrics.input_wait_fraction <= 1


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

    reference = make_loop()
    reference.model.compile(reference.optimizer, keras.losses.SparseCategoricalCrossentropy())
    reference.model.fit(dataset, verbose=0, class_weight=dict(enumerate(weights)))
    for got, expected in zip(loop.model.get_weights(), reference.model.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


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

    reference = make_loop()
    reference.model.compile(reference.optimizer, keras.losses.CategoricalCrossentropy())
    reference.model.fit(dataset, verbose=0)
    for got, expected in zip(loop.model.get_weights(), reference.model.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-5)
    assert 0 <= metrics.accuracy <= 1


def test_class_weights_count_what_is_in_a_mixed_label():
    """A label that is 0.7 of one class and 0.3 of another counts 0.7 and 0.3 of their weights."""
    dataset = soft(random_batches(1))
    images, labels = next(iter(dataset))
    weights = np.array([0.5, 1.0, 3.0], np.float32)
    loop, reference = make_loop(class_weights=weights.tolist()), make_loop()
    take_steps(loop, dataset, 1)
    reference.model.compile(reference.optimizer, keras.losses.CategoricalCrossentropy())
    reference.model.fit(images, labels, sample_weight=labels @ weights[:, None], batch_size=BATCH,
                        shuffle=False, verbose=0)  # fmt: skip
    for got, expected in zip(loop.model.get_weights(), reference.model.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


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
            parts=replicas,
        )
        on_device = functools.partial(augment, augmentation=augmentation, num_classes=CLASSES)
        loop = make_loop(replicas, augment=on_device if augment_on == "device" else None)
        loop.optimizer.learning_rate = 0.0  # steps would amplify what is rounded differently
        batches = train_batches(data_dir, manifest, options, epochs=2, seed=0)
        metrics = loop.train_epoch(iter(Feed(loop.strategy, batches)), 4, lambda *_: None)
        losses.append(metrics.loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
