"""The train step and the evaluation step under a strategy.

The loop is our own because `Model.fit` fails under several workers in Keras 3 and because loss
scaling has to look at every replica. Model and data sets stay plain: `fit` takes them, too.

No function here has Python's `if` or `for` depend on a tensor, so that AutoGraph, which would
rewrite each of them at the start of every run, is off.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer.moving_statistics import MovingStatistics
from trainer.objective import Objective
from trainer.predictions import Interrupted, Predictions
from trainer.progress import Progress
from trainer.update import Update


class Loop:
    """Trains and evaluates a model under a strategy.

    All replicas hold the same weights and moving statistics after every step.

    Args:
        strategy: Where the replicas are. Model and optimizer were made in its scope.
        model: From images to class probabilities.
        objective: What is minimised.
        update: How gradients become new weights.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        model: keras.Model,
        objective: Objective,
        update: Update,
    ) -> None:
        self.strategy = strategy
        self.model = model
        self.statistics = MovingStatistics(model)
        self.update = update
        self._objective = objective

    @property
    def optimizer(self) -> keras.optimizers.Optimizer:
        """What updates the weights."""
        return self.update.optimizer

    def begin(self, step: int, sums: Sequence[float] = (0.0, 0.0, 0.0, 0.0)) -> Progress:
        """The progress before the next step.

        Args:
            step: Steps of the run that have been taken.
            sums: What those of the epoch have come to.
        """
        return Progress(
            step=tf.constant(step, tf.int64),
            sums=tf.constant(sums, tf.float64),
            votes=tf.zeros([]),
            broken_step=tf.zeros([], tf.int64),
            broken_statistics=tf.zeros([self.statistics.size], tf.bool),
            broken_gradients=tf.zeros([len(self.model.trainable_variables)], tf.bool),
        )

    def train(self, batch: Any, count: int, progress: Progress, vote: bool = False) -> Progress:
        """Takes some steps, all in one call.

        Args:
            batch: (images, labels) or (images, labels, draws), a share for each replica; those of
                several steps are stacked along a first axis.
            count: Steps in it.
            progress: What it goes on from.
            vote: Whether this process wants to stop.
        """
        own_vote = tf.constant(float(vote))
        if count == 1:
            return self._train_step(batch, progress, own_vote)
        return self._train_steps(batch, tf.constant(count), progress, own_vote)

    def predict(self, batches: Iterable, vote: Callable[[], bool] = lambda: False) -> Predictions:
        """Evaluates every example once, with the averaged weights where there are some.

        Args:
            batches: (images, labels, weights), a share for each replica; weight 0 is padding.
            vote: Asked before each batch, whether this process wants to stop.

        Raises:
            Interrupted: if one of the processes does.
        """
        columns = []
        with self.evaluated_weights():
            for batch in batches:
                votes, *answers = self._eval_step(batch, tf.constant([float(vote())]))
                if votes.numpy().any():
                    raise Interrupted
                columns.append([column.numpy() for column in answers])
        weights, *rest = (np.concatenate(parts) for parts in zip(*columns, strict=True))
        return Predictions(*(column[weights > 0] for column in rest))

    @contextlib.contextmanager
    def evaluated_weights(self) -> Iterator[None]:
        """Within it the model has the weights that count: averaged ones where there are some."""
        if self.update.averaged is None:
            yield
        else:
            with self.update.averaged.in_place():
                yield

    def broken_weights(self) -> list[str]:
        """The names of the layers with a weight that is no finite number; the loss can hide it."""
        finite = self._finite_weights().numpy()
        variables = zip(self.model.variables, finite, strict=True)
        return list(dict.fromkeys(layer_of(v) for v, good in variables if not good))

    def state(self) -> dict[str, np.ndarray]:
        """All that steps change, under names that are the same in every process.

        On a CPU this costs nothing: the arrays are the variables' own memory, of which TensorFlow
        makes a new copy when the next step changes a variable that somebody looks at.
        """
        copies = self.strategy.experimental_local_results
        return {
            name: np.asarray(copies(variable)[0].read_value())
            for name, variable in self._variables().items()
        }

    def evaluated_state(self) -> list[np.ndarray]:
        """The values of the model's variables that evaluation sees."""
        with self.evaluated_weights():
            return [array for name, array in self.state().items() if name.startswith("model/")]

    def settle(self, best: Sequence[np.ndarray] = ()) -> None:
        """Ends the training: leaves the model with what `evaluated_state` gave, now or then."""
        values = best or self.evaluated_state()
        self.update.averaged = None
        for variable, value in zip(self.model.variables, values, strict=True):
            variable.value.assign(value)

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Gives all replicas the values that `state` returned."""
        for name, variable in self._variables().items():
            variable.assign(state[name])

    def _variables(self) -> dict[str, tf.Variable]:
        update = self.update
        groups = {
            "model": [variable.value for variable in self.model.variables],
            "optimizer": [variable.value for variable in update.optimizer.variables],
            "averaged": update.averaged.variables if update.averaged else [],
            "loss_scale": update.loss_scale.variables if update.loss_scale else [],
        }
        return {
            f"{group}/{number:03}": variable
            for group, variables in groups.items()
            for number, variable in enumerate(variables)
        }

    @tf.function(autograph=False)
    def _finite_weights(self) -> tf.Tensor:
        first = [self._first(variable.value) for variable in self.model.variables]
        return tf.stack(
            [
                tf.reduce_all(tf.math.is_finite(v)) if v.dtype.is_floating else tf.constant(True)
                for v in first
            ]
        )

    @tf.function(reduce_retracing=True, autograph=False)
    def _train_steps(
        self, batches: Any, count: tf.Tensor, progress: Progress, vote: tf.Tensor
    ) -> Progress:
        def one_step(number: tf.Tensor, progress: Progress) -> tuple[tf.Tensor, Progress]:
            batch = self.strategy.run(_of_step, args=(batches, number))
            return number + 1, self._step(batch, progress, vote)

        return tf.while_loop(lambda number, _: number < count, one_step, (0, progress))[1]

    @tf.function(autograph=False)
    def _train_step(self, batch: Any, progress: Progress, vote: tf.Tensor) -> Progress:
        return self._step(batch, progress, vote)

    def _step(self, batch: Any, progress: Progress, vote: tf.Tensor) -> Progress:
        gradients, *rest = self.strategy.run(self._replica_step, args=(batch, vote))
        # All replicas have the same, so that the first one's will do.
        sums, norms, statistics, finite = map(self._first, rest)
        loss_scale = self.update.loss_scale
        can_fall = False if loss_scale is None else loss_scale.can_fall()
        progress = progress.after_step(sums, norms, statistics, finite, can_fall)
        self.update.apply(gradients, finite)
        return progress

    def _replica_step(self, batch: Any, vote: tf.Tensor) -> tuple:
        context = tf.distribute.get_replica_context()
        scale = 1.0 if self.update.loss_scale is None else self.update.loss_scale.scale
        before = self.statistics.read()
        share = self._objective.share(batch, scale, context.num_replicas_in_sync)
        sums, statistics, *gradients = context.all_reduce(
            tf.distribute.ReduceOp.SUM,
            [tf.concat([share.sums, [vote]], axis=0), self.statistics.read(), *share.gradients],
        )
        gradients = [gradient / scale for gradient in gradients]
        norms = tf.stack([tf.norm(gradient) for gradient in gradients])
        norm = tf.norm(norms)
        finite = tf.math.is_finite(norm) & tf.math.is_finite(sums[0])
        statistics /= context.num_replicas_in_sync
        # With a step that is not taken, what the statistics saw in it goes, too.
        taken = finite if self.update.loss_scale else tf.constant(True)
        self.statistics.write(tf.where(taken, statistics, before))
        return self.update.clipped(gradients, norm), sums, norms, statistics, finite

    def _first(self, value: Any) -> Any:
        return self.strategy.experimental_local_results(value)[0]

    @tf.function(autograph=False)
    def _eval_step(self, batch: tuple, vote: tf.Tensor) -> tuple:
        columns = self.strategy.run(self._answers, args=(*batch, vote))
        return tuple(self.strategy.gather(column, axis=0) for column in columns)

    def _answers(
        self, images: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, vote: tf.Tensor
    ) -> tuple:
        return vote, weights, labels, self.model(images, training=False)


def layer_of(variable: keras.Variable) -> str:
    """The name of the layer that a weight belongs to."""
    return variable.path.split("/")[-2]


def _of_step(batches: Any, number: tf.Tensor) -> Any:
    return tf.nest.map_structure(lambda tensor: tensor[number], batches)
