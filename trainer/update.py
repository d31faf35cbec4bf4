"""From gradients that are summed over the replicas to new weights."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from trainer.averaged_weights import AveragedWeights
from trainer.precision import LossScale


class Update:
    """Clips gradients, has the optimizer apply them, and moves the averaged weights on.

    The optimizer is asked for each variable's `update_step`, which is where Keras lets optimizers
    differ. Its `apply` would sum the gradients over the replicas itself, after it had clipped each
    replica's own, and decay the weights of batch normalization, too.

    Args:
        strategy: Where the replicas are.
        optimizer: Built for `variables` in the strategy's scope.
        variables: The model's trainable variables.
        clip_norm: Gradients whose norm over all variables is larger are scaled down to it, as in
            Pascanu et al., "On the difficulty of training recurrent neural networks"
            (arXiv:1211.5063); None leaves them as they are.
        loss_scale: For float16, else None.
        averaged: Moved on with each update, if given.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        optimizer: keras.optimizers.Optimizer,
        variables: Sequence[keras.Variable],
        clip_norm: float | None = None,
        loss_scale: LossScale | None = None,
        averaged: AveragedWeights | None = None,
    ) -> None:
        self.optimizer = optimizer
        self.loss_scale = loss_scale
        self.averaged = averaged
        self._strategy = strategy
        self._variables = variables
        self._clip_norm = clip_norm

    def clipped(self, gradients: list[tf.Tensor], norm: tf.Tensor) -> list[tf.Tensor]:
        """The gradients with a norm of at most `clip_norm`, of which `norm` is what it was."""
        if self._clip_norm is None:
            return gradients
        factor = self._clip_norm / tf.maximum(norm, self._clip_norm)
        return [gradient * factor for gradient in gradients]

    def apply(self, gradients: list[tf.Tensor], finite: tf.Tensor) -> None:
        """Updates the weights; call it in cross-replica context.

        With a loss scale, gradients that are not finite are an overflow: the weights stay, on all
        replicas together, and the scale halves. Without one they are applied: whoever watches the
        numbers ends the run.

        Args:
            gradients: What every replica holds, summed over all and clipped.
            finite: Boolean scalar, whether they all are finite numbers.
        """
        if self.loss_scale is None:
            self._apply(gradients)
            return
        tf.cond(finite, lambda: self._apply(gradients), lambda: None)
        self.loss_scale.update(finite)

    def _apply(self, gradients: list[tf.Tensor]) -> None:
        optimizer = self.optimizer
        learning_rate = tf.convert_to_tensor(optimizer.learning_rate)

        def update(variable: tf.Variable, gradient: tf.Tensor) -> None:
            # Kernels only: He et al., "Bag of Tricks" (arXiv:1812.01187). Decoupled from the
            # gradient: Loshchilov and Hutter, "Decoupled Weight Decay" (arXiv:1711.05101).
            if optimizer.weight_decay and variable.shape.rank > 1:
                variable.assign_sub(variable * (optimizer.weight_decay * learning_rate))
            optimizer.update_step(gradient, variable, learning_rate)

        for variable, gradient in zip(self._variables, gradients, strict=True):
            self._strategy.extended.update(variable.value, update, args=(gradient,), group=False)
        if self.averaged is not None:
            self.averaged.update(tf.convert_to_tensor(optimizer.iterations))
        optimizer.iterations.assign_add(1)
