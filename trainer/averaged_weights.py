"""Averaged weights: evaluated in the place of those that are trained, which wander more."""

import contextlib
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf


class AveragedWeights:
    """An exponential moving average of a model's weights over the steps.

    With a decay of d an average is that of about the last 1 / (1 - d) steps: after step n, from 0,
    it moves by 1 - min(d, (1 + n) / (10 + n)) of the way to the new weights, as
    `tf.train.ExponentialMovingAverage` does, so that it soon forgets where the weights began.

    Args:
        strategy: Where the replicas are.
        variables: The weights, made in the strategy's scope.
        decay: In (0, 1).
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        variables: Sequence[keras.Variable],
        decay: float,
    ) -> None:
        self._strategy = strategy
        self._weights = [variable.value for variable in variables]
        self._decay = decay
        with strategy.scope():
            self.variables = [
                tf.Variable(variable.numpy(), trainable=False) for variable in variables
            ]

    def update(self, step: tf.Tensor) -> None:
        """Moves the averages on; call it in cross-replica context after each step.

        Args:
            step: int64 scalar, updates made before this one.
        """
        n = tf.cast(step, tf.float32)
        share = 1.0 - tf.minimum(self._decay, (1.0 + n) / (10.0 + n))
        for average, weight in zip(self.variables, self._weights, strict=True):
            self._strategy.extended.update(
                average,
                lambda average, weight: average.assign_add((weight - average) * share),
                args=(weight,),
                group=False,
            )

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Within it the model has the averaged weights; afterwards its own, bit for bit."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @tf.function(autograph=False)
    def _swap(self) -> None:
        def exchange(average: tf.Variable, weight: tf.Variable) -> None:
            old = tf.identity(average)
            average.assign(weight)
            weight.assign(old)

        for average, weight in zip(self.variables, self._weights, strict=True):
            self._strategy.extended.update(average, exchange, args=(weight,), group=False)
