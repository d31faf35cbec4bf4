"""StridedNet trained as a Keras user would: `compile`, `fit`, random layers in the data set."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.input_rates import IMAGE_SIZE, keras_augmentation, keras_batches
from benchmarks.training_course import BATCH_NORM_MOMENTUM, PEAK_RATE, tell_epoch, warmup_steps
from model.choices import StridedNetChoices
from model.strided_net import build_strided_net


def training_step(
    precision: str, images: np.ndarray, labels: np.ndarray, classes: int
) -> Callable[[], object]:
    """What `fit` calls for each step, on the same batch each time."""
    model = _compiled(precision, classes, PEAK_RATE)
    model.make_train_function()
    batches = iter(tf.data.Dataset.from_tensors((images, labels)).repeat())
    return lambda: model.train_function(batches)


def train(images: Path, precision: str, epochs: int, seed: int) -> None:
    """Trains on `images`/train and evaluates on `images`/test after each epoch."""
    keras.utils.set_random_seed(seed)
    # Layers of a data set stay in float32: they are made before the policy is set.
    rescale, augment = keras.layers.Rescaling(1 / 255), keras_augmentation()

    def rescaled(images: tf.Tensor, labels: tf.Tensor) -> tuple:
        return rescale(images), labels

    train_set = keras_batches(images / "train").map(rescaled).cache().shuffle(1000)
    steps = epochs * int(train_set.cardinality())
    classes = len(list((images / "train").iterdir()))
    model = _compiled(precision, classes, learning_rate(steps))
    autotune = tf.data.AUTOTUNE
    model.fit(
        train_set.map(augment, num_parallel_calls=autotune).prefetch(autotune),
        validation_data=keras_batches(images / "test", shuffle=False).map(rescaled).cache(),
        epochs=epochs,
        callbacks=[_Times(sum(1 for _ in (images / "train").glob("*/*")))],
        verbose=0,
    )


def learning_rate(steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """The schedule of a run of so many steps."""
    warmup = warmup_steps(steps)
    return keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=PEAK_RATE, warmup_steps=warmup
    )


def _compiled(precision: str, classes: int, rate: Any) -> keras.Model:
    keras.config.set_dtype_policy(precision)
    model = build_strided_net(
        IMAGE_SIZE,
        IMAGE_SIZE,
        3,
        classes,
        choices=StridedNetChoices(batch_norm_momentum=BATCH_NORM_MOMENTUM),
    )
    model.compile(
        keras.optimizers.Adam(rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


class _Times(keras.callbacks.Callback):
    """Tells of each epoch of so many images, and times its training apart from its evaluation."""

    def __init__(self, images: int) -> None:
        super().__init__()
        self._images = images

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._begun = time.perf_counter()

    def on_test_begin(self, logs: Any = None) -> None:
        self._train_seconds = time.perf_counter() - self._begun

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        tell_epoch(self._images, self._train_seconds, logs["val_accuracy"])
