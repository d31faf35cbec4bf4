"""Converts a folder of images, and reads what came of it."""

from pathlib import Path
from typing import Any

import tensorflow as tf

from pipelines.conversion.convert import convert
from pipelines.conversion.local_engine import LocalEngine
from pipelines.sources import open_source
from pipelines.tfrecords.manifest import Manifest, Settings
from pipelines.tfrecords.record import parse_example


def records_of(directory: Path, manifest: Manifest, split: str) -> list[dict[str, object]]:
    paths = [str(directory / shard.name) for shard in manifest.splits[split].shards]
    dataset = tf.data.TFRecordDataset(paths).map(parse_example)
    return list(dataset.as_numpy_iterator())


def files_in(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def shards_in(directory: Path) -> dict[str, bytes]:
    return {name: data for name, data in files_in(directory).items() if name != "manifest.json"}


def convert_folder(
    path: Path | str, output: Path, num_threads: int | None = None, **settings: Any
) -> Manifest:
    return convert(
        open_source(str(path)),
        Settings(shards=2, **settings),
        output,
        engine=LocalEngine(num_threads),
    )
