"""What training minimises: from a replica's share of a batch to its share of the gradients."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from trainer.training_model import training_model


class Share(NamedTuple):
    """What one replica adds to a step; summed over the replicas it is the batch's.

    Attributes:
        gradients: Of the objective, one for each trainable variable, times the loss scale.
        sums: float32 (2,): cross-entropy and right answers, summed over the replica's examples.
    """

    gradients: list[tf.Tensor]
    sums: tf.Tensor


class Objective:
    """Mean cross-entropy over the global batch, with label smoothing and class weights, and L2.

    Args:
        model: From images to class probabilities.
        global_batch_size: Examples in a step over all replicas.
        label_smoothing: Share of the target spread evenly over the classes, in [0, 1).
        class_weights: What an example of each class counts, (classes,); 1 unless given.
        augment: For data sets that leave the augmentation to the device: from a replica's (images,
            labels, draws) to (images, labels).
        pieces: Into how many a replica's examples are cut, which go through the model one after
            the other: the memory of one piece is enough. Batch normalization sees pieces.
    """

    def __init__(
        self,
        model: keras.Model,
        global_batch_size: int,
        label_smoothing: float = 0.0,
        class_weights: Sequence[float] | None = None,
        augment: Callable[..., tuple[tf.Tensor, tf.Tensor]] | None = None,
        pieces: int = 1,
    ) -> None:
        self._model = model
        self._training_model = training_model(model)
        self._global_batch_size = global_batch_size
        self._class_weights = class_weights
        self._augment = augment or (lambda images, labels: (images, labels))
        self._pieces = pieces
        self._cross_entropy = keras.losses.CategoricalCrossentropy(
            label_smoothing=label_smoothing, reduction="none"
        )

    def share(self, batch: tuple[tf.Tensor, ...], loss_scale: Any, replicas: int) -> Share:
        """One replica's share; call it in replica context.

        Args:
            batch: (images, labels) or (images, labels, draws).
            loss_scale: By which the objective is multiplied before its gradients are taken.
            replicas: Among which the step is divided.
        """
        images, labels = self._augment(*batch)
        pieces = zip(tf.split(images, self._pieces), tf.split(labels, self._pieces), strict=True)
        images, labels = next(pieces)
        total = self._share_of_piece(images, labels, loss_scale, replicas)
        for images, labels in pieces:
            # One after the other: side by side they would need the memory of the whole.
            with tf.control_dependencies([*total.gradients, total.sums]):
                images, labels = tf.identity(images), tf.identity(labels)
                share = self._share_of_piece(images, labels, loss_scale, replicas)
            total = tf.nest.map_structure(tf.add, total, share)
        return total

    def _share_of_piece(
        self, images: tf.Tensor, labels: tf.Tensor, loss_scale: Any, replicas: int
    ) -> Share:
        with tf.GradientTape() as tape:
            probabilities = self._training_model(images, training=True)
            # Mixed examples come with a weight for each class, others with the class.
            mixed = labels.shape.rank == 2
            targets = labels if mixed else tf.one_hot(labels, probabilities.shape[-1])
            cross_entropy = self._cross_entropy(targets, probabilities)
            objective = tf.reduce_sum(self._weighted(cross_entropy, targets))
            objective /= self._global_batch_size
            if self._model.losses:
                objective += tf.add_n(self._model.losses) / (replicas * self._pieces)
            scaled = objective * loss_scale
        variables = [variable.value for variable in self._model.trainable_variables]
        right = tf.argmax(probabilities, axis=-1) == tf.argmax(targets, axis=-1)
        sums = [tf.reduce_sum(cross_entropy), tf.math.count_nonzero(right, dtype="float32")]
        return Share(tape.gradient(scaled, variables), tf.stack(sums))

    def _weighted(self, cross_entropy: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        if self._class_weights is None:
            return cross_entropy
        return cross_entropy * tf.linalg.matvec(targets, tf.constant(self._class_weights))
