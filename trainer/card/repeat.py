"""The commands that make a run's data and the run again."""

import dataclasses
import os
from typing import Any

from pipelines.runtime.command import as_flag
from pipelines.sources.base import STUDY_CLASSES
from pipelines.tfrecords.manifest import Manifest, Settings
from trainer.config import TrainConfig

_PUBLISHED = ("sample", "caltech101")


def changed_flags(config: TrainConfig) -> list[str]:
    """The flags of a run that are not the defaults, but for places, as they are given."""
    return [
        flag
        for field in dataclasses.fields(config)
        if not field.metadata["is_place"]
        for flag in _flags(field.name, getattr(config, field.name), field.default)
    ]


def training_command(config: TrainConfig, precision: str) -> list[str]:
    """The words of the command that trains again, into a new run directory.

    Args:
        config: The run's choices.
        precision: What `--precision=auto` came to, which depends on the machine.
    """
    flags = changed_flags(dataclasses.replace(config, precision=precision))
    return ["python", "-m", "trainer.main", f"--data_dir={config.data_dir}", *flags]


def conversion_command(manifest: Manifest, data_dir: str) -> list[str]:
    """The words of the command that makes the set of shards again.

    Where the images were is not known, but for those that are published; what they are called is.
    """
    kind, name = manifest.source["kind"], manifest.source["name"]
    if kind in _PUBLISHED:
        source = kind
    elif kind == "tfds":
        source = f"tfds:{name}"
    else:
        source = f"PATH_TO/{name}"
    command = ["python", "-m", "pipelines.make_tfrecords", f"--source={source}"]
    if manifest.class_names != STUDY_CLASSES:
        command.append(f"--classes={','.join(manifest.class_names)}")
    defaults = dataclasses.asdict(Settings())
    for setting, value in manifest.settings.items():
        command += _flags(setting, value, defaults.get(setting))
    return [*command, f"--output_dir={os.fspath(data_dir)}"]


def _flags(name: str, value: Any, default: Any) -> list[str]:
    if value is None or value == default:
        return []
    return [as_flag(name, value)]
