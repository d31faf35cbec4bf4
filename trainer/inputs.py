"""From the flags of the input pipeline to data sets that are checked and ready."""

import dataclasses
import os
from pathlib import Path

import keras
import tensorflow as tf

from pipelines.loading.cache import CacheChoice, choose_cache, decoded_set
from pipelines.loading.options import InputOptions
from pipelines.loading.plan import ALONE, Worker, check_image_size, steps_per_epoch
from pipelines.loading.service_check import check_services
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import is_remote
from pipelines.runtime.machine import free_memory
from pipelines.tfrecords.manifest import Manifest, ShardedDataset, check_shards, open_dataset
from trainer.input_config import InputConfig

_REMOTE_READERS = 8  # since each waits for the network most of the time


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What is read, and how.

    Attributes:
        dataset: That of `--data_dir`, or the set of pixels that `--cache=disk` made.
        options: How batches are made of it.
        cache: Where decoded images stay, and why.
        worker: Whose share of each batch this process takes.
    """

    dataset: ShardedDataset
    options: InputOptions
    cache: CacheChoice
    worker: Worker = ALONE

    @property
    def manifest(self) -> Manifest:
        return self.dataset.manifest

    @property
    def steps_per_epoch(self) -> int:
        """Training steps in an epoch."""
        return steps_per_epoch(self.manifest, self.options, self.worker)

    @property
    def eval_split(self) -> str:
        """What is evaluated after each epoch; nothing is ever selected by the test split."""
        return eval_split(self.manifest)


def eval_split(manifest: Manifest) -> str:
    """'validation' where the set has it, else 'test'."""
    return "validation" if "validation" in manifest.splits else "test"


def checked_dataset(config: InputConfig) -> ShardedDataset:
    """The set that a command is to use, whose shards are all there.

    Raises:
        InputError: for a set that is not whole, or has pixels of another size than asked for.
    """
    dataset = open_dataset(config.data_dir)
    check_shards(dataset)
    check_image_size(dataset.manifest, config.image_size)
    if config.decode_ratio > 1 and dataset.manifest.encoding == "raw":
        raise InputError(
            f"received --decode_ratio={config.decode_ratio} for {config.data_dir}, which holds "
            "pixels that need no decoding, expected 1; leave it out."
        )
    return dataset


def prepare_inputs(
    config: InputConfig,
    dataset: ShardedDataset,
    *,
    replicas: int = 1,
    unwarped_epochs: int = 0,
    worker: Worker = ALONE,
    for_training: bool = True,
    makes_pixels: bool = True,
) -> Inputs:
    """Chooses where decoded images stay, and makes the set of pixels if that is on the disk.

    Args:
        config: The command's flags.
        dataset: Of `config.data_dir`.
        replicas: Of this process, among which its share of each batch is divided.
        unwarped_epochs: The last epochs, in which images are only mirrored.
        worker: Whose share of each batch this process takes.
        for_training: Whether the training split must fill a batch.
        makes_pixels: Whether `--cache=disk` makes its set of pixels where there is none yet; if
            not, images are decoded from the data set then.

    Raises:
        InputError: for a batch that is larger than the training split, a cache that does not fit,
            or that cannot be made, options that contradict, or a data service that does not answer.
    """
    check_services(config.data_service)
    choice = _choose_cache(config, dataset.manifest)
    readers = _REMOTE_READERS if is_remote(dataset.directory) else 1
    options = InputOptions(
        image_size=config.image_size,
        batch_size=config.batch_size,
        augmentation=config.ranges,
        unwarped_epochs=unwarped_epochs,
        shuffle_buffer=config.shuffle_buffer,
        oversample=config.oversample,
        decode_ratio=config.decode_ratio,
        channels_first=_channels_first(),
        replicas=replicas,
        augment_on=config.augment_on,
        cache="memory" if choice.cache == "memory" else "none",
        readers=config.input_readers or readers,
        services=config.data_service,
        **({} if config.input_threads is None else {"threads": config.input_threads}),
    )
    inputs = Inputs(dataset, options, choice, worker)
    if for_training:  # A batch that is too large is refused before images are decoded.
        steps_per_epoch(dataset.manifest, options, worker)
    return _from_the_disk(config, inputs, makes_pixels) if choice.cache == "disk" else inputs


def _from_the_disk(config: InputConfig, inputs: Inputs, makes_pixels: bool) -> Inputs:
    """The same inputs, read from the set of pixels that `--cache=disk` keeps."""
    decoded = decoded_set(
        inputs.dataset,
        config.image_size,
        config.decode_ratio,
        cache_dir=config.cache_dir,
        threads=inputs.options.threads,
        make=makes_pixels,
    )
    if decoded.dataset is inputs.dataset:  # it holds pixels itself, or none are made yet
        return dataclasses.replace(inputs, cache=CacheChoice("disk", decoded.story))
    return Inputs(
        decoded.dataset,
        dataclasses.replace(inputs.options, decode_ratio=1),
        CacheChoice("disk", decoded.story),
        inputs.worker,
    )


def _choose_cache(config: InputConfig, manifest: Manifest) -> CacheChoice:
    splits = {"train", eval_split(manifest)}
    budget = config.cache_memory_mb
    return choose_cache(
        config.cache,
        sum(split.num_examples for name, split in manifest.splits.items() if name in splits),
        config.image_size,
        free_memory(),
        budget_bytes=None if budget is None else budget * 1_000_000,
        services=bool(config.data_service),
    )


def _channels_first() -> bool:
    channels_first = keras.config.image_data_format() == "channels_first"
    if channels_first and not tf.config.get_visible_devices("GPU"):
        raise InputError(
            "received Keras' image data format channels_first, expected channels_last, since "
            "TensorFlow's convolutions need a GPU for the former; change image_data_format in "
            f"{Path(os.environ.get('KERAS_HOME', '~/.keras'), 'keras.json')}."
        )
    return channels_first
