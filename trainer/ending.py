"""What a run writes when it has come to its end, before the report that says so."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from model.registry import TITLES
from pipelines.runtime.files import atomic_file
from pipelines.tfrecords.manifest import ShardedDataset
from trainer import history
from trainer.card.finished_run import FinishedRun
from trainer.card.model_card import CARD_NAME, model_card
from trainer.card.shortcuts import audit_sample
from trainer.config import TrainConfig
from trainer.data_name import data_name
from trainer.inputs import eval_split
from trainer.judging.filters_picture import FILTERS_NAME, write_filters
from trainer.judging.judged import Judged
from trainer.judging.pictures import PICTURE_NAMES, write_pictures
from trainer.model_description import ModelDescription
from trainer.report import Report, TrainingFigures, make_report
from trainer.run_files import HISTORY_NAME, PLOT_NAME
from trainer.run_state import RunState
from trainer.trained_model import save_trained_model


def write_ending(
    run_dir: Path,
    config: TrainConfig,
    dataset: ShardedDataset,
    description: ModelDescription,
    model: keras.Model,
    state: RunState,
    judged: Judged,
    world: dict[str, Any],
) -> Report:
    """Writes what a finished run leaves behind beside logs, checkpoints and its report.

    Args:
        run_dir: The run directory.
        config: The run's choices.
        dataset: The data.
        description: Of the model.
        model: With the weights that count.
        state: Where the run has come to.
        judged: The model's answers on the test split.
        world: As in the checkpoints.

    Returns:
        The report, which marks a finished run once it is written.

    Raises:
        OSError: if something cannot be written.
        InputError: if an image that is to be shown or audited cannot be read.
    """
    manifest = dataset.manifest
    kept_epoch = state.best_epoch if config.keep_best else None
    title = f"{TITLES[config.model]} on {data_name(manifest)}"
    save_trained_model(run_dir, model, description)
    history.write_csv(run_dir / HISTORY_NAME, state.records, manifest.class_names)
    plot = run_dir / PLOT_NAME
    history.write_plot(plot, state.records, title, eval_split(manifest), kept_epoch)
    pictures = _pictures(run_dir, config, judged, model)
    report = make_report(judged, _figures(state, kept_epoch))
    run = FinishedRun(
        config=config,
        manifest=manifest,
        description=description,
        trainable_parameters=sum(int(np.prod(v.shape)) for v in model.trainable_variables),
        state=state,
        world=world,
        device="GPU" if tf.config.get_visible_devices("GPU") else "CPU",
        report=report.values,
        audit=audit_sample(dataset) if config.audit else None,
        pictures=pictures,
    )
    with atomic_file(run_dir / CARD_NAME) as path:
        path.write_text(model_card(run), encoding="utf-8")
    return report


def _pictures(
    run_dir: Path, config: TrainConfig, judged: Judged, model: keras.Model
) -> frozenset[str]:
    """Draws them, and takes away those of an earlier end of this run."""
    for name in (*PICTURE_NAMES, FILTERS_NAME):
        (run_dir / name).unlink(missing_ok=True)
    if not config.pictures:
        return frozenset()
    written = write_pictures(run_dir, judged, model) + write_filters(run_dir, model)
    return frozenset(path.name for path in written)


def _figures(state: RunState, kept_epoch: int | None) -> TrainingFigures:
    train = [record.train for record in state.records]
    # All epochs have as many images, so that an epoch's time is as the inverse of its rate.
    seconds = 1 / np.array([metrics.images_per_second for metrics in train])
    waited = np.array([metrics.input_wait_fraction for metrics in train])
    return TrainingFigures(
        train_seconds=state.train_seconds,
        images_per_second=float(1 / np.mean(seconds)),
        input_wait_fraction=float(np.average(waited, weights=seconds)),
        kept_epoch=kept_epoch,
    )
