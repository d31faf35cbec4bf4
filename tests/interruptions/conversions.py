"""Conversions, as `forks_of_one_process` carries them out."""

from collections.abc import Callable
from typing import Any

from pipelines.make_tfrecords import ConvertConfig, main

COMMAND = (main, ConvertConfig)
OUTPUT = "output_dir"
# What a conversion imports.
IMPORTED = [
    "pipelines.conversion.convert",
    "pipelines.conversion.duplicates",
    "pipelines.conversion.local_engine",
    "pipelines.conversion.validation",
    "pipelines.tfrecords.writer",
]


def prepare(job: dict[str, Any], step: Callable[..., None]) -> None:
    """Nothing is to be prepared."""
