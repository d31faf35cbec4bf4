"""What the steps of an epoch have come to so far; it stays on the device until it is asked for."""

from typing import NamedTuple

import tensorflow as tf


class Progress(NamedTuple):
    """Goes into each step and comes out of it changed.

    Attributes:
        step: int64 scalar, steps of the run that have been taken.
        sums: float64 (4,), over the steps of the epoch whose numbers were finite: cross-entropy
            and right answers of their examples, the gradients' norm, and 1 for each step.
        votes: float32 scalar, how many replicas wanted to stop in the last step.
        broken_step: int64 scalar, the first step of the run whose loss or gradients were no finite
            numbers, and not for an overflow of float16 that a smaller scale mends; 0 for none.
        broken_statistics: bool (elements,), which of the moving statistics were not finite then.
        broken_gradients: bool (variables,), which variables' gradients were not finite then.
    """

    step: tf.Tensor
    sums: tf.Tensor
    votes: tf.Tensor
    broken_step: tf.Tensor
    broken_statistics: tf.Tensor
    broken_gradients: tf.Tensor

    def after_step(
        self,
        sums: tf.Tensor,
        norms: tf.Tensor,
        statistics: tf.Tensor,
        finite: tf.Tensor,
        scale_can_fall: tf.Tensor | bool,
    ) -> "Progress":
        """What it is after one more step.

        Args:
            sums: float32 (3,), of the whole batch: cross-entropy, right answers, votes to stop.
            norms: float32 (variables,), of each variable's gradient.
            statistics: float32 (elements,), the moving statistics as the step left them.
            finite: Boolean scalar, whether loss and gradients are finite numbers.
            scale_can_fall: Whether a smaller loss scale may mend it if not.
        """
        step = self.step + 1
        counted = tf.cast([sums[0], sums[1], tf.norm(norms), 1.0], tf.float64)
        newly_broken = ~finite & ~tf.convert_to_tensor(scale_can_fall) & (self.broken_step == 0)
        return Progress(
            step=step,
            sums=self.sums + tf.where(finite, counted, tf.zeros_like(counted)),
            votes=sums[2],
            broken_step=tf.where(newly_broken, step, self.broken_step),
            broken_statistics=tf.where(
                newly_broken, ~tf.math.is_finite(statistics), self.broken_statistics
            ),
            broken_gradients=tf.where(
                newly_broken, ~tf.math.is_finite(norms), self.broken_gradients
            ),
        )
