"""Everything that a run writes into its directory and says to its user."""

import contextlib
import copy
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.errors import InputError
from pipelines.manifest import Manifest
from trainer import history
from trainer.checkpoint import Checkpoint
from trainer.checkpoint_files import DIRECTORY, CheckpointFiles, checkpoints_in
from trainer.config import TrainConfig
from trainer.event_files import cut_events
from trainer.inputs import data_name, eval_split
from trainer.loop import Loop
from trainer.not_finite import NotFiniteError
from trainer.report import Report
from trainer.run_directory import MODEL_NAME, begin_again, save_model
from trainer.run_state import RunState
from trainer.summaries import Summaries
from trainer.whole_file import clear_unfinished

HISTORY_NAME, PLOT_NAME = "history.csv", "plot.png"


class Silence:
    """The output of a process that leaves writing and speaking to another one."""

    def say(self, text: str) -> None:
        """Prints a line."""

    def epoch(self, record: history.EpochRecord) -> None:
        """Tells of an epoch that is over."""

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

    def finish(self, loop: Loop, state: RunState, report: Report) -> None:
        """Writes what a finished run leaves behind, `report.json` last."""

    def failing(self) -> contextlib.AbstractContextManager[None]:
        """Within it, numbers that are not finite are told of together with what is saved."""
        return contextlib.nullcontext()


class RunOutput(Silence):
    """Writes a run directory, whose lock this process has.

    Args:
        config: The run's choices.
        manifest: Of the data.
        run_dir: The run directory.
        state: Where the run goes on; what is there of later steps goes.
        world: What may differ in a run that goes on, for the checkpoints.
    """

    def __init__(
        self,
        config: TrainConfig,
        manifest: Manifest,
        run_dir: Path,
        state: RunState,
        world: dict[str, Any],
    ) -> None:
        self._config = config
        self._manifest = manifest
        self._run_dir = run_dir
        self._world = world
        with self._writing():
            clear_unfinished(run_dir)
            begin_again(run_dir)
            config.write(run_dir)
            has_none = not checkpoints_in(run_dir / DIRECTORY)
            cut_events(run_dir, 0 if has_none else state.evaluated_step)
            self._checkpoints = CheckpointFiles(run_dir, config.keep_checkpoints)
            self._summaries = Summaries(run_dir, eval_split(manifest))
            for record in state.records if has_none else ():
                self._summaries.write(record)  # of another run, which goes on here

    def say(self, text: str) -> None:
        print(text, flush=True)

    def epoch(self, record: history.EpochRecord) -> None:
        with self._writing():
            self._summaries.write(record)
        epochs = self._config.epochs
        self.say(f"epoch {record.epoch:{len(str(epochs))}}/{epochs}  {record}")

    def save(self, state: RunState, arrays: dict[str, np.ndarray], best: list[np.ndarray]) -> None:
        checkpoint = Checkpoint(
            state=copy.deepcopy(state),
            arrays=arrays,
            best=best,
            config=self._config.as_json(),
            data=self._manifest.fingerprint,
            class_names=self._manifest.class_names,
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

    def finish(self, loop: Loop, state: RunState, report: Report) -> None:
        run_dir, split = self._run_dir, eval_split(self._manifest)
        title = f"StridedNet on {data_name(self._manifest)}"
        with self._writing():
            self._summaries.close()
            save_model(loop.model, run_dir)
            history.write_csv(run_dir / HISTORY_NAME, state.records)
            history.write_plot(run_dir / PLOT_NAME, state.records, title, split)
            report.write(run_dir)
        self.say(f"\n{report.text}\n")
        self.say(f"model        {run_dir / MODEL_NAME}")
        self.say(f"curves       {run_dir / PLOT_NAME}")
        self.say(f"TensorBoard  tensorboard --logdir {shlex.quote(str(run_dir.parent))}")

    @contextlib.contextmanager
    def failing(self) -> Iterator[None]:
        try:
            yield
        except NotFiniteError as error:
            with contextlib.suppress(OSError):  # one thing at a time
                self._checkpoints.wait()
            raise InputError(f"{error} {self._saved()}") from error

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
