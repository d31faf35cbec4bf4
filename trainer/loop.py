"""The train step, the evaluation step, and an epoch of each.

The loop is our own because `Model.fit` fails under several workers in Keras 3 and because loss
scaling has to look at every replica. Model and data sets stay plain: `fit` takes them, too.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from trainer.history import EvalMetrics, TrainMetrics
from trainer.precision import LossScale

# How often the progress bar asks the device for the loss: each time, the host waits for it.
PROGRESS_SECONDS = 0.5


@dataclasses.dataclass(frozen=True)
class Predictions:
    """A model's answers on a split, in the order of the data.

    Attributes:
        labels: int64 (examples,), the true classes.
        predicted: int64 (examples,), the most probable classes.
        confidence: float32 (examples,), the probability of the predicted class.
        label_probability: float32 (examples,), the probability of the true class.
    """

    labels: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    label_probability: np.ndarray

    @property
    def metrics(self) -> EvalMetrics:
        """Accuracy, and mean cross-entropy with probabilities bounded below as Keras does."""
        bounded = np.maximum(self.label_probability.astype(np.float64), keras.config.epsilon())
        return EvalMetrics(
            loss=float(-np.mean(np.log(bounded))),
            accuracy=float(np.mean(self.labels == self.predicted)),
        )


class Loop:
    """Trains and evaluates a model under a strategy.

    Args:
        strategy: Where the replicas are. Model and optimizer were made in its scope.
        model: From images to class probabilities.
        optimizer: Updates the model's trainable variables.
        global_batch_size: Examples in a step over all replicas.
        label_smoothing: Share of the target spread evenly over the classes, in [0, 1).
        loss_scale: For float16, else None.
        class_weights: What an example of each class counts in the loss, (classes,); 1 unless given.
        augment: For data sets that leave the augmentation to the device: from a replica's (images,
            labels, draws) to (images, labels).
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        global_batch_size: int,
        label_smoothing: float = 0.0,
        loss_scale: LossScale | None = None,
        class_weights: Sequence[float] | None = None,
        augment: Callable[..., tuple[tf.Tensor, tf.Tensor]] | None = None,
    ) -> None:
        self.strategy = strategy
        self.model = model
        self.optimizer = optimizer
        self.loss_scale = loss_scale
        self._global_batch_size = global_batch_size
        self._class_weights = class_weights
        self._augment = augment or (lambda images, labels: (images, labels))
        self._cross_entropy = keras.losses.CategoricalCrossentropy(
            label_smoothing=label_smoothing, reduction="none"
        )
        with strategy.scope():
            optimizer.build(model.trainable_variables)

    def train_epoch(
        self, batches: Iterator, steps: int, on_progress: Callable[[int, float, float], None]
    ) -> TrainMetrics:
        """Takes `steps` steps.

        Args:
            batches: Yields what one step takes, (images, labels) or (images, labels, draws), a
                share for each replica; goes on where the last epoch stopped.
            steps: Steps in this epoch.
            on_progress: Called now and then with (steps taken, mean loss, accuracy so far).
        """
        totals = tf.zeros([2], tf.float64)
        waited = 0.0
        start = reported = time.perf_counter()
        for step in range(1, steps + 1):
            asked = time.perf_counter()
            batch = next(batches)
            got = time.perf_counter()
            waited += got - asked
            totals = self._train_step(batch, totals)
            if got - reported > PROGRESS_SECONDS:
                reported = got
                loss, accuracy = totals.numpy() / (step * self._global_batch_size)
                on_progress(step, loss, accuracy)
        loss, accuracy = totals.numpy() / (steps * self._global_batch_size)
        seconds = time.perf_counter() - start
        return TrainMetrics(
            loss=float(loss),
            accuracy=float(accuracy),
            images_per_second=steps * self._global_batch_size / seconds,
            input_wait_fraction=waited / seconds,
            learning_rate=float(keras.ops.convert_to_numpy(self.optimizer.learning_rate)),
        )

    def predict(self, batches: Iterable) -> Predictions:
        """Evaluates every example once.

        Args:
            batches: (images, labels, weights), a share for each replica; weight 0 is padding.
        """
        self._average_moving_statistics()
        columns = [
            [column.numpy() for column in self._eval_step(images, labels, weights)]
            for images, labels, weights in batches
        ]
        weights, *rest = (np.concatenate(parts) for parts in zip(*columns, strict=True))
        return Predictions(*(column[weights > 0] for column in rest))

    def weights_are_finite(self) -> bool:
        """Whether every weight is a finite number; the loss can look normal when one is not."""
        return all(np.isfinite(weight).all() for weight in self.model.get_weights())

    @tf.function
    def _train_step(self, batch: tuple, totals: tf.Tensor) -> tf.Tensor:
        gradients, sums, finite = self.strategy.run(self._gradients, args=batch)
        if self.loss_scale is None:
            self.strategy.run(self._apply, args=(gradients,))
        else:
            # In cross-replica context, so that all replicas take or skip the step together.
            sum_of_finite = self.strategy.reduce(tf.distribute.ReduceOp.SUM, finite, axis=None)
            all_finite = sum_of_finite == self.strategy.num_replicas_in_sync
            tf.cond(
                all_finite,
                lambda: self.strategy.run(self._apply, args=(gradients,)),
                lambda: None,
            )
            self.loss_scale.update(all_finite)
        return totals + self.strategy.reduce(tf.distribute.ReduceOp.SUM, sums, axis=None)

    def _gradients(self, *batch: tf.Tensor) -> tuple:
        """One replica's share of the gradients; summed over the replicas they are the batch's."""
        replicas = self.strategy.num_replicas_in_sync
        images, labels = self._augment(*batch)
        with tf.GradientTape() as tape:
            probabilities = self.model(images, training=True)
            # Mixed examples come with a weight for each class, others with the class.
            mixed = labels.shape.rank == 2
            targets = labels if mixed else tf.one_hot(labels, probabilities.shape[-1])
            cross_entropy = self._cross_entropy(targets, probabilities)
            counted = self._weighted(cross_entropy, targets)
            objective = tf.reduce_sum(counted) / self._global_batch_size
            if self.model.losses:
                objective += tf.add_n(self.model.losses) / replicas
            scale = 1.0 if self.loss_scale is None else self.loss_scale.scale
            scaled = objective * scale
        variables = [variable.value for variable in self.model.trainable_variables]
        gradients = [gradient / scale for gradient in tape.gradient(scaled, variables)]
        correct = tf.argmax(probabilities, axis=-1) == tf.argmax(targets, axis=-1)
        sums = tf.stack(
            [tf.reduce_sum(cross_entropy), tf.math.count_nonzero(correct, dtype="float32")]
        )
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in gradients])
        return gradients, tf.cast(sums, tf.float64), tf.cast(finite, tf.int32)

    def _weighted(self, cross_entropy: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        if self._class_weights is None:
            return cross_entropy
        return cross_entropy * tf.linalg.matvec(targets, tf.constant(self._class_weights))

    def _apply(self, gradients: list[tf.Tensor]) -> None:
        self.optimizer.apply(gradients, self.model.trainable_variables)

    @tf.function
    def _eval_step(self, images: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor) -> tuple:
        columns = self.strategy.run(self._answers, args=(images, labels, weights))
        return tuple(self.strategy.gather(column, axis=0) for column in columns)

    def _answers(self, images: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor) -> tuple:
        probabilities = self.model(images, training=False)
        return (
            weights,
            labels,
            tf.argmax(probabilities, axis=-1),
            tf.reduce_max(probabilities, axis=-1),
            tf.gather(probabilities, labels, axis=-1, batch_dims=1),
        )

    def _average_moving_statistics(self) -> None:
        """Gives all replicas the mean of their batch normalization statistics.

        Keras updates them on each replica by itself. Synchronized layers hold equal values
        already, so that this changes nothing there.
        """
        for layer in self.model.layers:
            if isinstance(layer, keras.layers.BatchNormalization) and not layer.synchronized:
                for variable in layer.non_trainable_variables:
                    copies = self.strategy.experimental_local_results(variable.value)
                    variable.value.assign(tf.add_n([tf.identity(c) for c in copies]) / len(copies))
