"""What a process trains on and with whom, checked before anything is trained or written."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from model.registry import TITLES, multiply_adds
from pipelines.loading.plan import Worker
from pipelines.runtime.console import counted
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import Manifest, ShardedDataset
from pipelines.tfrecords.verification import check_sound
from trainer.config import TrainConfig
from trainer.data_name import data_name
from trainer.inputs import Inputs, checked_dataset, prepare_inputs
from trainer.loop import Loop
from trainer.precision import is_emulated
from trainer.resume import Start
from trainer.strategy import check_batch_size
from trainer.workers.cluster import Cluster


@dataclasses.dataclass(frozen=True)
class RunSetup:
    """What a process trains on, and with whom.

    Attributes:
        config: The run's choices.
        cluster: The processes that train together.
        dataset: Of `config.data_dir`.
        strategy: Where the replicas are.
        inputs: What is read, and how.
    """

    config: TrainConfig
    cluster: Cluster
    dataset: ShardedDataset
    strategy: tf.distribute.Strategy
    inputs: Inputs

    @property
    def manifest(self) -> Manifest:
        return self.dataset.manifest

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.config.epochs * self.inputs.steps_per_epoch

    @property
    def reports_last_evaluation(self) -> bool:
        """Whether the report is of what the last epoch's evaluation saw: weights and split."""
        return self.inputs.eval_split == "test" and not self.config.keep_best

    @property
    def world(self) -> dict[str, Any]:
        """What may differ in a run that goes on, for its checkpoints."""
        return {
            "workers": self.cluster.count,
            "replicas": self.strategy.num_replicas_in_sync,
            "precision": keras.config.dtype_policy().name,
        }

    def head(self, loop: Loop, run_dir: Path, start: Start) -> str:
        """What the user is told before the first step."""
        config, inputs, manifest = self.config, self.inputs, self.manifest
        sizes = ", ".join(f"{split.num_examples} {name}" for name, split in manifest.splits.items())
        policy = keras.config.dtype_policy().name
        replicas, workers = self.strategy.num_replicas_in_sync, self.cluster.count
        devices = "GPU" if tf.config.get_visible_devices("GPU") else "CPU"
        lines = [
            f"data      {data_name(manifest)}: {sizes}; {', '.join(manifest.class_names)}",
            f"cache     {inputs.cache.cache}: {inputs.cache.reason}",
            f"model     {TITLES[config.model]}, {loop.model.count_params():,} parameters, "
            f"{multiply_adds(loop.model):,} multiply-adds an image",
            f"training  {counted(config.epochs, 'epoch')} of {inputs.steps_per_epoch} steps of "
            f"{config.batch_size} images; strategy {config.strategy}"
            f"{f' of {workers} workers' * (workers > 1)}, "
            f"{replicas} replica{'s' * (replicas > 1)} on {devices}, precision {policy}"
            f"{', emulated and slow here' * is_emulated(policy)}",
            f"run       {run_dir}",
        ]
        if start.checkpoint is not None:
            step = start.state.step
            lines.append(f"resumed   after step {step} of {self.total_steps}, from {start.source}")
        return "\n".join(lines)


def checked_data(config: TrainConfig) -> ShardedDataset:
    """The set that a run is to use.

    Raises:
        InputError: for a set that is not whole or does not fit the flags.
    """
    dataset = checked_dataset(config)
    manifest = dataset.manifest
    if config.classes and tuple(sorted(config.classes)) != manifest.class_names:
        raise InputError(
            f"received --classes={','.join(config.classes)}, but {config.data_dir} holds "
            f"{','.join(manifest.class_names)}; expected the same names: use "
            "another --data_dir, or convert the images with these --classes."
        )
    _check_selection(config, manifest)
    if config.verify_data:
        check_sound(dataset.directory)
    return dataset


def _check_selection(config: TrainConfig, manifest: Manifest) -> None:
    """Nothing is ever selected by the test split, or its figures would be too good."""
    flag = "--keep_best" if config.keep_best else f"--early_stopping={config.early_stopping}"
    is_asked_for = config.keep_best or config.early_stopping is not None
    if is_asked_for and "validation" not in manifest.splits:
        raise InputError(
            f"received {flag} for {config.data_dir}, which has no validation split, expected one "
            "to select by; convert the images with --validation_fraction=0.2, or drop the flag."
        )


def set_up(
    config: TrainConfig,
    cluster: Cluster,
    dataset: ShardedDataset,
    strategy: tf.distribute.Strategy,
    makes_pixels: bool = True,
) -> RunSetup:
    """Prepares the inputs for the replicas that there are.

    Args:
        config: The run's choices.
        cluster: The processes that train together.
        dataset: The data.
        strategy: Where the replicas are.
        makes_pixels: As `trainer.inputs.prepare_inputs` takes it.

    Raises:
        InputError: for a batch that does not divide, or inputs that cannot be made.
    """
    check_batch_size(config.batch_size, strategy, config.accumulation_steps)
    inputs = prepare_inputs(
        config,
        dataset,
        replicas=strategy.num_replicas_in_sync // cluster.count,
        unwarped_epochs=config.unwarped_epochs,
        worker=Worker(cluster.index, cluster.count, config.shard_by),
        makes_pixels=makes_pixels,
    )
    return RunSetup(config, cluster, dataset, strategy, inputs)
