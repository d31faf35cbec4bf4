"""The epochs of a run, from wherever it stands to its end."""

import signal
import time
from collections.abc import Iterable
from typing import NoReturn

import keras

from trainer.checkpoint import RunState
from trainer.config import TrainConfig
from trainer.epoch_bar import EpochBar
from trainer.feed import Steps
from trainer.history import EpochRecord, TrainMetrics
from trainer.loop import Loop
from trainer.not_finite import check_numbers
from trainer.predictions import Interrupted, Predictions
from trainer.progress import Progress
from trainer.run_output import Silence
from trainer.saver import Saver
from trainer.stop import StopSignals
from trainer.summaries.windows import Windows
from trainer.time_left import TimeLeft

# How often the progress bar asks the device for the loss: each time, the host waits for it.
PROGRESS_SECONDS = 0.5


class Stopped(Exception):
    """The run left off where a signal asked it to, and is saved.

    Attributes:
        signal_number: The signal; of another process's, SIGTERM.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


class Training:
    """Takes steps; evaluates, checks and saves in between.

    Args:
        config: The run's choices.
        loop: Holds the weights of `state`.
        steps: What the steps after `state.step` take.
        evaluation: The split that is evaluated after each epoch.
        steps_per_epoch: Steps in each.
        state: Where the run stands; it is moved on.
        saver: Saves it when that is due.
        signals: Ask the run to stop.
        is_alone: Whether no other process trains with this one.
        output: Looks on, and tells of each epoch.
    """

    def __init__(
        self,
        config: TrainConfig,
        loop: Loop,
        steps: Steps,
        evaluation: Iterable,
        steps_per_epoch: int,
        state: RunState,
        saver: Saver,
        signals: StopSignals,
        is_alone: bool,
        output: Silence,
    ) -> None:
        self._config = config
        self._loop = loop
        self._steps = steps
        self._evaluation = evaluation
        self._steps_per_epoch = steps_per_epoch
        self._state = state
        self._saver = saver
        self._signals = signals
        self._is_alone = is_alone
        self._output = output
        self._windows = Windows(config.summary_every, steps_per_epoch, config.batch_size)
        self._progress = loop.begin(state.step, state.sums)
        self._time_left = TimeLeft(state.step, config.epochs * steps_per_epoch, steps_per_epoch)
        self._counted_until = time.perf_counter()

    def run(self) -> Predictions | None:
        """Goes on to the end of the run.

        Returns:
            The last evaluation; None where nothing was left to do.

        Raises:
            Stopped: after a signal.
            NotFiniteError: when loss or weights are no finite numbers any more.
        """
        state, predictions = self._state, None
        while not state.is_over(self._config.epochs, self._config.early_stopping):
            self._train_epoch()
            predictions = self._evaluate_epoch()
            if self._saver.is_due_after_epoch():
                self._save()
        if not self._saver.has_saved(state):
            self._save()
        self._saver.wait()
        if self._is_alone and self._signals.wanted():  # as in the last save
            raise Stopped(self._signals.received or signal.SIGTERM)
        return predictions

    def _train_epoch(self) -> None:
        state, batch_size = self._state, self._config.batch_size
        epoch = len(state.records) + 1
        end = epoch * self._steps_per_epoch
        self._counted_until = time.perf_counter()
        # A bar on a terminal only; elsewhere the line after each epoch is all there is.
        with EpochBar(
            epoch,
            self._config.epochs,
            self._steps_per_epoch * batch_size,
            batch_size * (state.step + self._steps_per_epoch - end),
        ) as bar:
            told = time.perf_counter()
            while state.step < end:
                self._call(end)
                if not bar.disable and time.perf_counter() - told > PROGRESS_SECONDS:
                    told = time.perf_counter()
                    self._note_progress()
                    loss, accuracy = state.means(batch_size)[:2]
                    done = batch_size * (state.step + self._steps_per_epoch - end)
                    bar.show(done, loss, accuracy, self._time_left)
        self._note_progress()
        self._check_numbers()

    def _call(self, end: int) -> None:
        """One call of TensorFlow, and what is due after it."""
        state = self._state
        most = min(end - state.step, self._saver.most(state.step), self._windows.most(state.step))
        count = min(self._config.steps_per_call, most)
        asked = time.perf_counter()
        batch = self._steps.take(count)
        taken = time.perf_counter()
        state.waited_seconds += taken - asked
        self._output.before_steps(batch, state.step, count)
        self._leave_out(taken)
        before = self._progress
        self._progress = self._loop.train(batch, count, before, self._signals.wanted())
        state.step += count
        self._time_left.after_steps(state.step)
        self._output.after_steps(state.step, self._progress)
        every = self._config.check_numbers_every
        if state.step // every > (state.step - count) // every:
            self._check_numbers()
        if self._windows.is_over_after(state.step):
            self._note_progress()
            metrics = self._windows.metrics(state, self._learning_rate())
            self._output.window(state.step, metrics)
        self._saver.check()
        if self._is_to_stop(before):
            self._stop()
        if self._saver.is_due_after_step(state.step):
            self._save()

    def _is_to_stop(self, before: Progress) -> bool:
        """Whether all processes leave off here: they must agree, or some would wait for others."""
        if self._is_alone:
            return self._signals.wanted()
        # The votes of the call before this one, which are there without waiting for the device.
        return bool(before.votes.numpy() > 0)

    def _evaluate_epoch(self) -> Predictions:
        state = self._state
        try:
            predictions = self._loop.predict(self._evaluation, self._signals.wanted)
        except Interrupted:
            self._counted_until = time.perf_counter()
            self._stop()
        self._time_left.after_evaluation()
        self._leave_out(self._counted_until)
        record = EpochRecord(
            len(state.records) + 1, state.step, self._train_metrics(), predictions.metrics
        )
        state.add(record)
        if state.best_epoch == record.epoch and self._config.keep_best:
            self._saver.best = self._loop.evaluated_state()
        self._progress = self._loop.begin(state.step)
        self._output.epoch(record, predictions, self._time_left.text("left"))
        self._leave_out(self._counted_until)
        return predictions

    def _train_metrics(self) -> TrainMetrics:
        state = self._state
        loss, accuracy, gradient_norm = state.means(self._config.batch_size)
        return TrainMetrics(
            loss=loss,
            accuracy=accuracy,
            gradient_norm=gradient_norm,
            images_per_second=(
                self._steps_per_epoch * self._config.batch_size / state.epoch_seconds
            ),
            input_wait_fraction=state.waited_seconds / state.epoch_seconds,
            learning_rate=self._learning_rate(),
        )

    def _learning_rate(self) -> float:
        return float(keras.ops.convert_to_numpy(self._loop.optimizer.learning_rate))

    def _check_numbers(self) -> None:
        check_numbers(self._loop, self._progress, self._steps_per_epoch)

    def _note_progress(self) -> None:
        """Brings the state up to date with the device."""
        state = self._state
        state.sums = self._progress.sums.numpy().tolist()
        now = time.perf_counter()
        state.epoch_seconds += now - self._counted_until
        state.train_seconds += now - self._counted_until
        self._counted_until = now

    def _leave_out(self, begun: float) -> None:
        """Counts the time since `begun` as the run's, but not as its steps'."""
        spent = time.perf_counter() - begun
        self._state.train_seconds += spent
        self._counted_until += spent

    def _save(self) -> None:
        self._note_progress()
        self._check_numbers()
        self._saver.save(self._state, self._loop)

    def _stop(self) -> NoReturn:
        self._save()
        self._saver.wait()
        raise Stopped(self._signals.received or signal.SIGTERM)
