"""The data of a finished run, or others for its model; found before TensorFlow is imported."""

import json
from pathlib import Path
from typing import Any

from etils import epath

from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import MANIFEST_NAME, ShardedDataset, check_shards, open_dataset
from trainer.config import CONFIG_NAME
from trainer.model_description import ModelDescription


def config_of(run_dir: Path) -> dict[str, Any]:
    """The flags of a run; empty where its `config.json` is not there or cannot be read."""
    try:
        config = json.loads((run_dir / CONFIG_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def find_data(run_dir: Path, description: ModelDescription, given: str | None) -> ShardedDataset:
    """The set that was given, else the one that the run was trained on.

    Args:
        run_dir: The run directory.
        description: Of its model.
        given: The value of `--data_dir`, if there is one.

    Raises:
        InputError: if there is no such set, it is not whole, or has pixels of another size.
    """
    dataset = open_dataset(given or _data_dir_of(run_dir))
    check_shards(dataset)
    manifest, size = dataset.manifest, description.image_size
    if manifest.encoding == "raw" and manifest.image_shape[:2] != (size, size):
        height, width = manifest.image_shape[:2]
        raise InputError(
            f"received the set {dataset.directory}, which holds pixels of {height}x{width}, "
            f"expected the {size}x{size} of the model, or encoded images; give another --data_dir."
        )
    return dataset


def _data_dir_of(run_dir: Path) -> str:
    place = config_of(run_dir).get("data_dir")
    if place and epath.Path(place, MANIFEST_NAME).expanduser().exists():
        return place
    problem = (
        f"was trained on {place}, which is no set of shards any more, seen from here"
        if place
        else f"has no {CONFIG_NAME} that says which data it is of"
    )
    raise InputError(
        f"received --run_dir={run_dir}, which {problem}, expected its data; give --data_dir=DIR, "
        "any set of pipelines.make_tfrecords of the same classes."
    )
