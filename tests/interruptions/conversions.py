"""Conversions, as `forks_of_one_process` carries them out."""

from collections.abc import Callable
from typing import Any

from pipelines.convert_config import ConvertConfig
from pipelines.make_tfrecords import main

COMMAND = (main, ConvertConfig)
OUTPUT = "output_dir"
# What a conversion imports.
IMPORTED = [
    "pipelines.convert",
    "pipelines.duplicates",
    "pipelines.local_engine",
    "pipelines.prepare",
    "pipelines.shards",
]


def prepare(job: dict[str, Any], step: Callable[..., None]) -> None:
    """Nothing is to be prepared."""
