"""All that a run writes for TensorBoard."""

import contextlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pipelines.runtime.drawing import as_jpeg, as_png
from trainer.data_name import data_name
from trainer.event_files import steps_of
from trainer.examples import StoredExamples
from trainer.history import EpochRecord, TrainMetrics
from trainer.judging.judged import Judged
from trainer.loop import Loop
from trainer.loop_setup import device_augmentation
from trainer.predictions import Predictions
from trainer.report import Report
from trainer.run_setup import RunSetup
from trainer.run_state import RunState
from trainer.summaries import texts
from trainer.summaries.confusion import draw_confusion
from trainer.summaries.graphs import write_graphs
from trainer.summaries.histograms import Histograms
from trainer.summaries.hparams import (
    hparams_of,
    write_result,
    write_session_end,
    write_session_start,
)
from trainer.summaries.misclassified import draw_misclassified
from trainer.summaries.scalars import write_epoch, write_steps
from trainer.summaries.step_profile import StepProfile
from trainer.summaries.training_batch import draw_batch
from trainer.summaries.writers import Writers, raising_os_errors, write_picture

BATCH_TAG = "training/batch"
MOST_HISTOGRAM_IMAGES = 64  # of them all layers' outputs are in memory together


class Summaries:
    """Writes a run's curves, pictures, texts and its row of HPARAMS.

    All methods raise OSError if something cannot be written.

    Args:
        run_dir: The run directory, in which event files have been cut.
        setup: What it trains on, and how.
        loop: Holds the model.
        state: Where the run goes on.
    """

    def __init__(self, run_dir: Path, setup: RunSetup, loop: Loop, state: RunState) -> None:
        self._config, self._inputs, self._manifest = setup.config, setup.inputs, setup.manifest
        self._loop = loop
        config, inputs = self._config, self._inputs
        self._begun_at = state.step
        # The steps at which the augmentation changes, with a picture of the batch after each.
        self._phases = self._pictures_left(steps_of(run_dir / "train", BATCH_TAG), state.step)
        self._profile = None
        if config.profiled is not None:
            self._profile = StepProfile(run_dir, *config.profiled)
        self._histograms: Histograms | None = None
        self._writers = Writers(run_dir, inputs.eval_split, bool(config.summary_every))
        self._examples = StoredExamples(inputs, inputs.eval_split)
        # The name first: of a long path the table shows the beginning.
        name = f"{run_dir.name} in {run_dir.parent}"
        self._begin(name, {**setup.world, "data": data_name(self._manifest)})

    def _begin(self, name: str, world: dict[str, Any]) -> None:
        with raising_os_errors(), self._writers.run.as_default(step=0):
            tf.summary.text("run/configuration", texts.configuration_text(self._config, world))
            tf.summary.text("run/data", texts.dataset_text(self._manifest))
            write_graphs(self._loop.model)
            write_session_start(name, hparams_of(self._config, world))
        self._writers.flush()

    def repeat(self, record: EpochRecord) -> None:
        """Writes the curves of an epoch of another run, which goes on here."""
        with raising_os_errors():
            write_epoch(self._writers, record, self._manifest.class_names, self._class_counts)
        self._writers.flush()

    def before_steps(self, batch: Any, step: int, count: int) -> None:
        """Looks at what the next steps take.

        Args:
            batch: As in `trainer.loop.Loop.train`.
            step: Steps that have been taken.
            count: Steps that will be taken in one call.
        """
        if self._phases and step >= self._phases[0]:
            self._phases = [at for at in self._phases if at > step]
            self._write_batch(batch, step, count)
        if self._profile is not None:
            self._profile.before(step - self._begun_at + 1, count)

    def after_steps(self, step: int) -> bool:
        """Whether to call `end_profile` when the device has taken the steps up to `step`."""
        return self._profile is not None and self._profile.is_over(step - self._begun_at)

    def end_profile(self) -> None:
        """Ends what `after_steps` asked to end."""
        if self._profile is not None:
            self._profile.end()

    def window(self, step: int, metrics: TrainMetrics) -> None:
        """Writes the figures of some steps, before a checkpoint of after them."""
        with raising_os_errors():
            write_steps(self._writers, step, metrics)
        self._writers.flush()

    def epoch(self, record: EpochRecord, predictions: Predictions) -> None:
        """Writes an epoch's curves and pictures, and its histograms if they are asked for."""
        # Made first: an error of the model's, or of the images', is none of the disk's.
        pictures = self._pictures(predictions) if self._config.pictures else {}
        histograms = self._histograms_now() if self._config.histograms else {}
        with raising_os_errors():
            write_epoch(self._writers, record, self._manifest.class_names, self._class_counts)
            with self._writers.eval.as_default(step=record.step):
                for tag, (size, encoded) in pictures.items():
                    write_picture(f"evaluation/{tag}", size, encoded)
                for tag, values in histograms.items():
                    tf.summary.histogram(tag, values)
        self._writers.flush()

    def finish(self, state: RunState, report: Report) -> None:
        """Writes the report and the figures that HPARAMS compares, and closes all files."""
        self.end_profile()
        with raising_os_errors(), self._writers.run.as_default(step=state.step):
            tf.summary.text("run/report", texts.report_text(report.text))
            write_result(report, state.records[self._reported(state) - 1])
            write_session_end(is_done=True)
        self._writers.close()

    def abort(self) -> None:
        """Says, as far as that can be written, that the run was left off; closes all files."""
        if self._writers.is_closed:
            return
        with contextlib.suppress(OSError):
            self.end_profile()
        with contextlib.suppress(OSError):
            with raising_os_errors(), self._writers.run.as_default():
                write_session_end(is_done=False)
            self._writers.close()

    def _reported(self, state: RunState) -> int:
        return state.best_epoch if self._config.keep_best else len(state.records)

    def _pictures_left(self, written: set[int], step: int) -> list[int]:
        """Where the augmentation changes, as far as it has no picture before `step`."""
        config, steps = self._config, self._inputs.steps_per_epoch
        if not config.pictures:
            return []
        changes = [0]
        if config.ranges is not None and 0 < config.unwarped_epochs < config.epochs:
            changes.append((config.epochs - config.unwarped_epochs) * steps)
        ends = [*changes[1:], math.inf]
        return [
            at
            for at, end in zip(changes, ends, strict=True)
            if step < end and not any(at <= there < end for there in written)
        ]

    def _write_batch(self, batch: Any, step: int, count: int) -> None:
        """The share of the first replica of this process."""
        config, names = self._config, self._inputs.manifest.class_names
        share = self._loop.strategy.experimental_local_results(batch)[0]
        if count > 1:
            share = [tensor[0] for tensor in share]
        augment = device_augmentation(config, len(names))
        epoch = step // self._inputs.steps_per_epoch + 1
        picture = draw_batch(share, f"as the model sees them in epoch {epoch}", names, augment)
        with raising_os_errors(), self._writers.train.as_default(step=step):
            write_picture(BATCH_TAG, picture.size, as_jpeg(picture))
        self._writers.flush()

    @property
    def _class_counts(self) -> Sequence[int]:
        """Of the evaluated split."""
        return self._manifest.splits[self._inputs.eval_split].class_counts

    def _pictures(self, predictions: Predictions) -> dict[str, tuple[tuple[int, int], bytes]]:
        """Size and encoded bytes of each picture of an evaluation."""
        names, split = self._manifest.class_names, self._inputs.eval_split
        judged = Judged(predictions, self._examples, names, data_name(self._manifest), split)
        matrices = draw_confusion(predictions, names, split)
        sheet = draw_misclassified(judged)
        return {
            **{f"confusion_{name}": (m.size, as_png(m)) for name, m in matrices.items()},
            "misclassified": (sheet.size, as_jpeg(sheet)),
        }

    def _histograms_now(self) -> dict[str, np.ndarray]:
        if self._histograms is None:
            numbers = range(min(MOST_HISTOGRAM_IMAGES, sum(self._class_counts)))
            self._histograms = Histograms(self._loop.model, self._examples.images(numbers))
        with self._loop.evaluated_weights():
            return self._histograms.values()
