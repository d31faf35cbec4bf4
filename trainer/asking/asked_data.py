"""The labelled data of an evaluation: found, and compared with the model; no TensorFlow."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.runtime.errors import InputError
from pipelines.sources import Source, open_source
from pipelines.tfrecords.manifest import Manifest, ShardedDataset
from trainer.data_name import data_name, shown_name
from trainer.model_description import ModelDescription
from trainer.run_data import find_data

ALL_IMAGES = "all images"  # what is evaluated of a source, in the place of a split


@dataclasses.dataclass(frozen=True)
class StoredData:
    """A split of a finished set.

    Attributes:
        dataset: The set.
        split: One of its splits.
    """

    dataset: ShardedDataset
    split: str

    @property
    def manifest(self) -> Manifest:
        return self.dataset.manifest

    @property
    def name(self) -> str:
        return data_name(self.manifest)

    @property
    def file_name(self) -> str:
        """What a directory for its evaluation is called."""
        return f"{self.manifest.name}-{self.split}"

    @property
    def identity(self) -> dict[str, Any]:
        """What makes two evaluations those of the same data."""
        return {"data_fingerprint": self.manifest.fingerprint, "split": self.split}


@dataclasses.dataclass(frozen=True)
class SourceData:
    """All images of a source, or those of some classes.

    Attributes:
        place: Its path, its address, or another name as `open_source` takes it.
        source: What is in it.
        skips_bad_images: Whether images that cannot be decoded are left out.
    """

    place: str
    source: Source
    skips_bad_images: bool
    split: str = ALL_IMAGES

    @property
    def name(self) -> str:
        return shown_name(self.source.name, self.source.kind)

    @property
    def file_name(self) -> str:
        kept = (c if c.isalnum() or c in "._-" else "_" for c in self.source.name)
        return "".join(kept).strip(".") or "source"

    @property
    def identity(self) -> dict[str, Any]:
        place = os.path.abspath(self.place) if os.path.exists(self.place) else self.place
        # As a file's names are written: whatever bytes there are in a path.
        place = place.encode("utf-8", "backslashreplace").decode()
        return {"source": place, "classes": list(self.source.class_names)}


AskedData = StoredData | SourceData


def find_split(
    run_dir: Path, data_dir: str | None, split: str, description: ModelDescription
) -> StoredData:
    """A split of a finished set, which the model can be asked about.

    Args:
        run_dir: The run directory.
        data_dir: Where the set is; that of the run's training data unless given.
        split: Which split of it.
        description: Of the model.

    Raises:
        InputError: if there is no such set, it is not whole, or it is not for this model.
    """
    dataset = find_data(run_dir, description, data_dir)
    place, manifest = os.fspath(dataset.directory), dataset.manifest
    if split not in manifest.splits:
        raise InputError(
            f"received --split={split} for {place}, expected one of its splits "
            f"{', '.join(manifest.splits)}; choose one of them."
        )
    if manifest.class_names != description.class_names:
        raise _other_classes(place, manifest.class_names, description.class_names)
    return StoredData(dataset, split)


def find_source(
    place: str,
    classes: Sequence[str],
    download_dir: str,
    skips_bad_images: bool,
    description: ModelDescription,
) -> SourceData:
    """A source of labelled images, which the model can be asked about.

    Args:
        place: As `pipelines.sources.open_source` takes it.
        classes: Those wanted; all that have images unless given.
        download_dir: Where what is fetched is kept.
        skips_bad_images: Whether images that cannot be decoded are left out.
        description: Of the model.

    Raises:
        InputError: if there is no such source, or it has classes that the model does not know.
    """
    source = open_source(place, classes, download_dir, for_training=False)
    if not set(source.class_names) <= set(description.class_names):
        raise _other_classes(place, source.class_names, description.class_names)
    return SourceData(place, source, skips_bad_images)


def _other_classes(place: str, found: Sequence[str], known: Sequence[str]) -> InputError:
    unknown = [name for name in found if name not in known]
    what = f" ({', '.join(unknown)} it does not know)" if unknown else ""
    return InputError(
        f"received {place} with the classes {', '.join(found)}, expected those of the model, "
        f"{', '.join(known)}{what}: it was made by another class list; choose other data"
        + (", or of a --source some --classes." if unknown else ".")
    )
