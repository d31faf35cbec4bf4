"""Everything that a run writes into its directory and says to its user."""

import contextlib
import copy
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from model.registry import multiply_adds
from pipelines.runtime import console
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import remove_unfinished
from trainer import history
from trainer.card.model_card import CARD_NAME
from trainer.checkpoint import Checkpoint
from trainer.checkpoint_files import DIRECTORY, CheckpointFiles, checkpoints_in
from trainer.ending import write_ending
from trainer.event_files import cut_events
from trainer.judging.judged import Judged
from trainer.loop import Loop
from trainer.model_description import MODEL_NAME, ModelDescription
from trainer.not_finite import NotFiniteError
from trainer.predictions import Predictions
from trainer.progress import Progress
from trainer.run_directory import begin_again
from trainer.run_files import PLOT_NAME
from trainer.run_setup import RunSetup
from trainer.run_state import RunState
from trainer.summaries.summaries import Summaries


class Silence:
    """The output of a process that leaves writing and speaking to another one."""

    def say(self, text: str) -> None:
        """Prints a line."""

    def warn(self, text: str) -> None:
        """Prints a line of warning, unless it is empty."""

    def before_steps(self, batch: Any, step: int, count: int) -> None:
        """Looks at what the next steps take.

        Args:
            batch: As in `trainer.loop.Loop.train`.
            step: Steps that have been taken.
            count: Steps that will be taken in one call.
        """

    def after_steps(self, step: int, progress: Progress) -> None:
        """Notes that steps up to `step` have been begun, and come to `progress`."""

    def window(self, step: int, metrics: history.TrainMetrics) -> None:
        """Writes the figures of some steps of an epoch, before a checkpoint of after them."""

    def epoch(self, record: history.EpochRecord, predictions: Predictions, left: str) -> None:
        """Tells of an epoch that is over.

        Args:
            record: Of the epoch.
            predictions: What its evaluation has answered.
            left: The time left, such as "left 0:42", or "" when nothing is known of it.
        """

    def save(self, state: RunState, arrays: dict[str, np.ndarray], best: list[np.ndarray]) -> None:
        """Begins to write a checkpoint, when the one before it is written.

        Args:
            state: Where the run stands.
            arrays: As `trainer.loop.Loop.state` gives them.
            best: The evaluated weights of the best epoch, if they are kept.
        """

    def check(self) -> None:
        """Asks whether the last checkpoint could not be written, without waiting for it."""

    def wait(self) -> None:
        """Waits until the last checkpoint is on the disk."""

    def finish(self, loop: Loop, state: RunState, judged: Judged) -> None:
        """Writes what a finished run leaves behind, `report.json` last.

        Args:
            loop: With the weights that count.
            state: Where the run has come to.
            judged: The model's answers on the test split.
        """

    def failing(self) -> contextlib.AbstractContextManager[None]:
        """Within it, numbers that are not finite are told of together with what is saved.

        When it is left with an error, the run is marked as left off.
        """
        return contextlib.nullcontext()


class RunOutput(Silence):
    """Writes a run directory, whose lock this process has.

    Args:
        setup: What the run trains on, and how.
        run_dir: The run directory.
        loop: What trains.
        state: Where the run goes on; what is there of later steps goes.
    """

    def __init__(self, setup: RunSetup, run_dir: Path, loop: Loop, state: RunState) -> None:
        self._config = config = setup.config
        # Not that of a set of pixels, which --cache=disk has put in its place.
        self._dataset = setup.dataset
        self._run_dir = run_dir
        self._world = setup.world
        with self._writing():
            remove_unfinished(run_dir)
            begin_again(run_dir)
            config.write(run_dir)
            has_none = not checkpoints_in(run_dir / DIRECTORY)
            last = (0, 0) if has_none else (state.evaluated_step, state.step)
            cut_events(run_dir, *last)
            self._checkpoints = CheckpointFiles(run_dir, config.keep_checkpoints)
            self._summaries = Summaries(run_dir, setup, loop, state)
            for record in state.records if has_none else ():
                self._summaries.repeat(record)  # of another run, which goes on here

    def say(self, text: str) -> None:
        console.say(text)

    def warn(self, text: str) -> None:
        if text:
            console.warn(text)

    def before_steps(self, batch: Any, step: int, count: int) -> None:
        with self._writing():
            self._summaries.before_steps(batch, step, count)

    def after_steps(self, step: int, progress: Progress) -> None:
        if self._summaries.after_steps(step):
            progress.sums.numpy()  # waits for the device
            with self._writing():
                self._summaries.end_profile()

    def window(self, step: int, metrics: history.TrainMetrics) -> None:
        with self._writing():
            self._summaries.window(step, metrics)

    def epoch(self, record: history.EpochRecord, predictions: Predictions, left: str) -> None:
        with self._writing():
            self._summaries.epoch(record, predictions)
        epochs = self._config.epochs
        line = f"epoch {record.epoch:{len(str(epochs))}}/{epochs}  {record}  {left}"
        self.say(line.rstrip())

    def save(self, state: RunState, arrays: dict[str, np.ndarray], best: list[np.ndarray]) -> None:
        checkpoint = Checkpoint(
            state=copy.deepcopy(state),
            arrays=arrays,
            best=best,
            config=self._config.as_json(),
            data=self._dataset.manifest.fingerprint,
            class_names=self._dataset.manifest.class_names,
            world=self._world,
        )
        with self._writing():
            self._checkpoints.save(checkpoint)

    def check(self) -> None:
        with self._writing():
            self._checkpoints.check()

    def wait(self) -> None:
        with self._writing():
            self._checkpoints.wait()

    def finish(self, loop: Loop, state: RunState, judged: Judged) -> None:
        run_dir = self._run_dir
        with self._writing():
            report = write_ending(
                run_dir,
                self._config,
                self._dataset,
                self._description(loop.model),
                loop.model,
                state,
                judged,
                self._world,
            )
            self._summaries.finish(state, report)
            report.write(run_dir)
        console.tell(f"\n{report.text}\n")
        console.tell(f"model        {run_dir / MODEL_NAME}")
        console.tell(f"curves       {run_dir / PLOT_NAME}")
        console.tell(f"model card   {run_dir / CARD_NAME}")
        console.tell(f"TensorBoard  tensorboard --logdir {shlex.quote(str(run_dir.parent))}")

    def _description(self, model: keras.Model) -> ModelDescription:
        config, manifest = self._config, self._dataset.manifest
        return ModelDescription(
            architecture=config.model,
            class_names=manifest.class_names,
            image_size=config.image_size,
            decode_ratio=config.decode_ratio,
            data_name=manifest.name,
            data_fingerprint=manifest.fingerprint,
            precision=self._world["precision"],
            parameters=model.count_params(),
            multiply_adds=multiply_adds(model),
            data_format=keras.config.image_data_format(),
        )

    @contextlib.contextmanager
    def failing(self) -> Iterator[None]:
        try:
            yield
        except NotFiniteError as error:
            with contextlib.suppress(OSError):  # one thing at a time
                self._checkpoints.wait()
            self._summaries.abort()
            raise InputError(f"{error} {self._saved()}") from error
        except BaseException:
            self._summaries.abort()
            raise

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(
                f"received --run_dir={self._run_dir}, which cannot be written "
                f"({error.strerror or error}), expected a writable directory with room; free some, "
                f"and start again. {self._saved()}"
            ) from error

    def _saved(self) -> str:
        newest = max(checkpoints_in(self._run_dir / DIRECTORY), default=None)
        return f"The last checkpoint is {newest}." if newest else "No checkpoint was written."
