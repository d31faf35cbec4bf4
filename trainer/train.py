"""One training run, from a config to a finished run directory."""

import dataclasses
import functools
import math
import shlex
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from etils import epath
from tqdm import tqdm

from pipelines.damage import check_sound, damage_named
from pipelines.dataset import eval_batches, train_batches
from pipelines.errors import InputError
from pipelines.manifest import Manifest
from pipelines.run_plan import steps_per_epoch
from pipelines.service_watch import watched
from trainer import history
from trainer.config import TrainConfig
from trainer.feed import Feed
from trainer.inputs import Inputs, checked_manifest, prepare_inputs
from trainer.loop import Loop
from trainer.loop_setup import make_loop
from trainer.report import Report, make_report
from trainer.run_directory import MODEL_NAME, make_run_directory, save_model
from trainer.strategy import check_batch_size, make_strategy
from trainer.summaries import Summaries

HISTORY_NAME, PLOT_NAME = "history.csv", "plot.png"


def train(config: TrainConfig) -> Path:
    """Trains as `config` says and writes the run directory.

    Args:
        config: The run's choices.

    Returns:
        The run directory: logs, `config.json`, `model.keras`, `history.csv`, `plot.png`,
        `report.txt` and `report.json`.

    Raises:
        InputError: for data, devices or a run directory that do not fit the config, before any
            training; or when loss or weights stop being finite numbers.
    """
    config = dataclasses.replace(config, data_dir=str(epath.Path(config.data_dir).expanduser()))
    manifest = _checked_manifest(config)
    strategy = make_strategy(config.strategy, config.virtual_devices)
    check_batch_size(config.batch_size, strategy)
    inputs = prepare_inputs(
        config,
        manifest,
        replicas=strategy.num_replicas_in_sync,
        unwarped_epochs=config.unwarped_epochs,
    )
    steps = steps_per_epoch(manifest, inputs.options)
    run_dir = make_run_directory(config.run_dir, manifest.name)
    config.write(run_dir)

    loop = make_loop(config, strategy, manifest, steps)
    _print_head(config, inputs, loop, steps, run_dir)
    start = time.perf_counter()
    with damage_named(inputs.data_dir):
        records = _run_epochs(config, inputs, loop, steps, run_dir)
    train_seconds = time.perf_counter() - start

    save_model(loop.model, run_dir)
    history.write_csv(run_dir / HISTORY_NAME, records)
    title = f"StridedNet on {_data_name(manifest)}"
    history.write_plot(run_dir / PLOT_NAME, records, title, inputs.eval_split)
    with damage_named(inputs.data_dir):
        report = _test_report(inputs, loop, records, train_seconds)
    report.write(run_dir)
    _print_foot(report, run_dir)
    return run_dir


def _checked_manifest(config: TrainConfig) -> Manifest:
    manifest = checked_manifest(config)
    if config.classes and tuple(sorted(config.classes)) != manifest.class_names:
        raise InputError(
            f"received --classes={','.join(config.classes)}, but {config.data_dir} holds "
            f"{','.join(manifest.class_names)}; expected the same names: use "
            "another --data_dir, or convert the images with these --classes."
        )
    if config.verify_data:
        check_sound(config.data_dir)
    return manifest


def _run_epochs(
    config: TrainConfig, inputs: Inputs, loop: Loop, steps: int, run_dir: Path
) -> list[history.EpochRecord]:
    batches = train_batches(
        inputs.data_dir, inputs.manifest, inputs.options, epochs=config.epochs, seed=config.seed
    )
    watched_batches = watched(batches, inputs.options.services, inputs.data_dir)
    iterator = iter(Feed(loop.strategy, watched_batches))
    evaluation = _eval_feed(inputs, loop, inputs.eval_split)
    summaries = Summaries(run_dir, inputs.eval_split)
    records = []
    for epoch in range(1, config.epochs + 1):
        # A bar on a terminal only; elsewhere the line after each epoch is all there is.
        with tqdm(
            total=steps * config.batch_size,
            desc=f"epoch {epoch}",
            unit=" images",
            disable=None,
            leave=False,
        ) as bar:
            metrics = loop.train_epoch(iterator, steps, functools.partial(_show, bar, config))
        evaluated = loop.predict(evaluation).metrics
        record = history.EpochRecord(epoch, epoch * steps, metrics, evaluated)
        _check_finite(record, loop)
        summaries.write(record)
        records.append(record)
        print(f"epoch {epoch:{len(str(config.epochs))}}/{config.epochs}  {record}", flush=True)
    summaries.close()
    return records


def _show(bar: tqdm, config: TrainConfig, step: int, loss: float, accuracy: float) -> None:
    bar.set_postfix_str(f"loss {loss:.4f}, accuracy {accuracy:.4f}", refresh=False)
    bar.update(step * config.batch_size - bar.n)


def _check_finite(record: history.EpochRecord, loop: Loop) -> None:
    if not (math.isfinite(record.train.loss) and loop.weights_are_finite()):
        raise InputError(
            f"received NaN or infinity in the loss ({record.train.loss}) or the weights in epoch "
            f"{record.epoch}, expected finite numbers; lower --learning_rate."
        )


def _eval_feed(inputs: Inputs, loop: Loop, split: str) -> Feed:
    batches = eval_batches(inputs.data_dir, inputs.manifest, split, inputs.options)
    return Feed(loop.strategy, batches)


def _test_report(
    inputs: Inputs, loop: Loop, records: list[history.EpochRecord], train_seconds: float
) -> Report:
    manifest = inputs.manifest
    predictions = loop.predict(_eval_feed(inputs, loop, "test"))
    return make_report(
        predictions.labels,
        predictions.predicted,
        manifest.class_names,
        data_name=_data_name(manifest),
        split="test",
        train_seconds=train_seconds,
        images_per_second=float(np.mean([r.train.images_per_second for r in records])),
        input_wait_fraction=float(np.mean([r.train.input_wait_fraction for r in records])),
    )


def _data_name(manifest: Manifest) -> str:
    drawn = (
        " (drawn by this project, no photographs)" if manifest.source["kind"] == "sample" else ""
    )
    return f"{manifest.name}{drawn}"


def _print_head(config: TrainConfig, inputs: Inputs, loop: Loop, steps: int, run_dir: Path) -> None:
    manifest = inputs.manifest
    sizes = ", ".join(f"{split.num_examples} {name}" for name, split in manifest.splits.items())
    replicas = loop.strategy.num_replicas_in_sync
    devices = "GPU" if tf.config.get_visible_devices("GPU") else "CPU"
    print(f"data      {_data_name(manifest)}: {sizes}; {', '.join(manifest.class_names)}")
    print(f"cache     {inputs.cache.cache}: {inputs.cache.reason}")
    print(f"model     StridedNet, {loop.model.count_params():,} parameters")
    print(
        f"training  {config.epochs} epochs of {steps} steps of {config.batch_size} images; "
        f"strategy {config.strategy}, {replicas} replica{'s' * (replicas > 1)} on {devices}, "
        f"precision {keras.config.dtype_policy().name}"
    )
    print(f"run       {run_dir}", flush=True)


def _print_foot(report: Report, run_dir: Path) -> None:
    print(f"\n{report.text}\n")
    print(f"model        {run_dir / MODEL_NAME}")
    print(f"curves       {run_dir / PLOT_NAME}")
    print(f"TensorBoard  tensorboard --logdir {shlex.quote(str(run_dir.parent))}", flush=True)
