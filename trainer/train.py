"""One training run, from a config to a finished run directory."""

import contextlib
import dataclasses
import datetime
import functools
import math
import os
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from etils import epath
from tqdm import tqdm

from model.strided_net import build_strided_net
from pipelines.augment import WarpRanges
from pipelines.dataset import (
    InputOptions,
    check_image_size,
    eval_batches,
    steps_per_epoch,
    train_batches,
)
from pipelines.decode import CHANNELS
from pipelines.errors import InputError
from pipelines.manifest import Manifest, check_shards, load_manifest
from pipelines.verification import verify
from trainer import history
from trainer.config import TrainConfig
from trainer.loop import Loop
from trainer.optimizer import make_optimizer
from trainer.precision import LossScale, choose_policy
from trainer.report import Report, make_report
from trainer.strategy import check_batch_size, make_strategy
from trainer.summaries import Summaries

MODEL_NAME, HISTORY_NAME, PLOT_NAME = "model.keras", "history.csv", "plot.png"


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
    options = _input_options(config)
    steps = steps_per_epoch(manifest, options)
    run_dir = _new_run_dir(config, manifest)
    config.write(run_dir)

    loop = _make_loop(config, strategy, len(manifest.class_names), steps)
    _print_head(config, manifest, loop, steps, run_dir)
    start = time.perf_counter()
    with _damage_named(config.data_dir):
        records = _run_epochs(config, manifest, options, loop, steps, run_dir)
    train_seconds = time.perf_counter() - start

    _save_model(loop.model, run_dir)
    history.write_csv(run_dir / HISTORY_NAME, records)
    title = f"StridedNet on {_data_name(manifest)}"
    history.write_plot(run_dir / PLOT_NAME, records, title, _eval_split(manifest))
    with _damage_named(config.data_dir):
        report = _test_report(config, manifest, options, loop, records, train_seconds)
    report.write(run_dir)
    _print_foot(report, run_dir)
    return run_dir


def _checked_manifest(config: TrainConfig) -> Manifest:
    manifest = load_manifest(config.data_dir)
    check_shards(config.data_dir, manifest)
    check_image_size(manifest, config.image_size)
    if config.classes and tuple(sorted(config.classes)) != manifest.class_names:
        raise InputError(
            f"received --classes={','.join(config.classes)}, but {config.data_dir} holds "
            f"{','.join(manifest.class_names)}; expected the same names: use "
            "another --data_dir, or convert the images with these --classes."
        )
    if config.verify_data:
        _check_hashes(config.data_dir)
    return manifest


def _check_hashes(data_dir: str) -> None:
    problems = verify(data_dir).problems
    if problems:
        count, first = len(problems), problems[0]
        where = first.file if first.record is None else f"{first.file}, record {first.record}"
        raise InputError(
            f"received {data_dir!r} with {count} problem{'s' if count > 1 else ''} (the first in "
            f"{where}: {first.problem}), expected a set as it was written; see `python -m "
            f"pipelines.verify --data_dir={data_dir}`, and copy the set again or make it again."
        )


def _input_options(config: TrainConfig) -> InputOptions:
    channels_first = keras.config.image_data_format() == "channels_first"
    if channels_first and not tf.config.get_visible_devices("GPU"):
        raise InputError(
            "received Keras' image data format channels_first, expected channels_last, since "
            "TensorFlow's convolutions need a GPU for the former; change image_data_format in "
            f"{Path(os.environ.get('KERAS_HOME', '~/.keras'), 'keras.json')}."
        )
    threads = {} if config.input_threads is None else {"threads": config.input_threads}
    return InputOptions(
        image_size=config.image_size,
        batch_size=config.batch_size,
        augmentation=WarpRanges() if config.augmentation == "tutorial" else None,
        unwarped_epochs=config.unwarped_epochs,
        shuffle_buffer=config.shuffle_buffer,
        channels_first=channels_first,
        cache=config.cache == "memory",
        **threads,
    )


def _new_run_dir(config: TrainConfig, manifest: Manifest) -> Path:
    """Makes the run directory; one that holds anything is somebody's run and stays as it is."""
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    run_dir = Path(config.run_dir or f"runs/{manifest.name}-{now}").expanduser()
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        occupied = any(run_dir.iterdir())
    except OSError as error:
        raise InputError(
            f"received --run_dir={run_dir}, expected a directory that can be made "
            f"({error.strerror}); choose another."
        ) from error
    if occupied:
        raise InputError(
            f"received --run_dir={run_dir}, which holds a run already, expected a new or empty "
            "directory; choose another name, or remove that run first."
        )
    return run_dir


def _make_loop(
    config: TrainConfig, strategy: tf.distribute.Strategy, classes: int, steps: int
) -> Loop:
    policy = choose_policy(config.precision)
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(config.seed)
    size = config.image_size
    with strategy.scope():
        model = build_strided_net(
            size,
            size,
            CHANNELS,
            classes,
            reg=keras.regularizers.L2(config.l2) if config.l2 else None,
            batch_norm_momentum=config.batch_norm_momentum,
            sync_batch_norm=config.sync_batch_norm and strategy.num_replicas_in_sync > 1,
        )
        optimizer = make_optimizer(config, steps)
        loss_scale = LossScale() if policy == "mixed_float16" else None
    return Loop(strategy, model, optimizer, config.batch_size, config.label_smoothing, loss_scale)


def _run_epochs(
    config: TrainConfig,
    manifest: Manifest,
    options: InputOptions,
    loop: Loop,
    steps: int,
    run_dir: Path,
) -> list[history.EpochRecord]:
    distribute = loop.strategy.experimental_distribute_dataset
    batches = train_batches(
        config.data_dir, manifest, options, epochs=config.epochs, seed=config.seed
    )
    iterator = iter(distribute(batches))
    eval_split = _eval_split(manifest)
    evaluation = distribute(eval_batches(config.data_dir, manifest, eval_split, options))
    summaries = Summaries(run_dir, eval_split)
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


@contextlib.contextmanager
def _damage_named(data_dir: str) -> Iterator[None]:
    """Says which data are damaged; TensorFlow names an offset only, between its own nodes."""
    try:
        yield
    except tf.errors.DataLossError as error:
        problem = re.sub(r"^\{\{.*?\}\} | \[Op:.*", "", error.message.splitlines()[0])
        raise InputError(
            f"received a damaged record from {data_dir} ({problem}), expected shards as they were "
            f"written; see `python -m pipelines.verify --data_dir={data_dir}`, and copy the set "
            "again or make it again."
        ) from error


def _show(bar: tqdm, config: TrainConfig, step: int, loss: float, accuracy: float) -> None:
    bar.set_postfix_str(f"loss {loss:.4f}, accuracy {accuracy:.4f}", refresh=False)
    bar.update(step * config.batch_size - bar.n)


def _check_finite(record: history.EpochRecord, loop: Loop) -> None:
    if not (math.isfinite(record.train.loss) and loop.weights_are_finite()):
        raise InputError(
            f"received NaN or infinity in the loss ({record.train.loss}) or the weights in epoch "
            f"{record.epoch}, expected finite numbers; lower --learning_rate."
        )


def _save_model(model: keras.Model, run_dir: Path) -> None:
    """Writes beside the final name first: a `model.keras` that is there is whole."""
    unfinished = run_dir / f"unfinished-{MODEL_NAME}"
    model.save(unfinished)
    unfinished.replace(run_dir / MODEL_NAME)


def _test_report(
    config: TrainConfig,
    manifest: Manifest,
    options: InputOptions,
    loop: Loop,
    records: list[history.EpochRecord],
    train_seconds: float,
) -> Report:
    batches = eval_batches(config.data_dir, manifest, "test", options)
    predictions = loop.predict(loop.strategy.experimental_distribute_dataset(batches))
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


def _eval_split(manifest: Manifest) -> str:
    """What is watched during training; nothing is ever selected by it."""
    return "validation" if "validation" in manifest.splits else "test"


def _data_name(manifest: Manifest) -> str:
    drawn = (
        " (drawn by this project, no photographs)" if manifest.source["kind"] == "sample" else ""
    )
    return f"{manifest.name}{drawn}"


def _print_head(
    config: TrainConfig, manifest: Manifest, loop: Loop, steps: int, run_dir: Path
) -> None:
    sizes = ", ".join(f"{split.num_examples} {name}" for name, split in manifest.splits.items())
    replicas = loop.strategy.num_replicas_in_sync
    devices = "GPU" if tf.config.get_visible_devices("GPU") else "CPU"
    print(f"data      {_data_name(manifest)}: {sizes}; {', '.join(manifest.class_names)}")
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
