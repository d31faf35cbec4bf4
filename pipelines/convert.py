"""A source of images becomes a finished set of shards: vet, split, plan, write, in that order."""

import contextlib
import dataclasses
from collections import Counter
from pathlib import Path

from pipelines.destination import check_destination
from pipelines.errors import InputError
from pipelines.manifest import (
    ENCODING,
    IMAGE_SHAPE,
    SCHEMA_VERSION,
    Manifest,
    Rejected,
    Shard,
    Split,
    write_manifest,
)
from pipelines.progress import progress
from pipelines.quiet_tensorflow import import_tensorflow
from pipelines.sources import Source, fingerprint
from pipelines.split import check_class_counts, split_files
from pipelines.spool import Spool
from pipelines.staging import staged_directory

_SPOOL_NAME = "images.spool"


@dataclasses.dataclass(frozen=True)
class Settings:
    """All the choices that decide what is in a set, beside the images themselves."""

    test_fraction: float = 0.25
    validation_fraction: float = 0.0
    split_seed: int = 42
    seed: int = 0
    shards: int = 8
    on_bad_image: str = "fail"


@dataclasses.dataclass(frozen=True)
class _Image:
    """What is kept in memory of one accepted image; its bytes are in the spool."""

    file_name: str
    class_name: str
    sha256: str


def convert(
    source: Source,
    settings: Settings,
    output_dir: Path,
    *,
    overwrite: bool = False,
    num_threads: int | None = None,
) -> Manifest:
    """Writes `source` as a finished set into `output_dir`, or nothing.

    Args:
        source: Labelled images.
        settings: What decides the content.
        output_dir: Missing, empty, or with `overwrite` a finished set.
        overwrite: Whether a finished set there is replaced.
        num_threads: That vet images; None for one a core. The set does not depend on it.

    Raises:
        InputError: for a class with too few images, and for a bad image unless
            `settings.on_bad_image` is 'skip'.
    """
    check_destination(output_dir, overwrite)
    split_choices = settings.test_fraction, settings.validation_fraction, settings.split_seed
    check_class_counts(source.class_counts, *split_choices)
    with staged_directory(output_dir, replace=overwrite) as stage:
        with Spool(stage / _SPOOL_NAME) as spool:
            vetting = _vet_into(spool, source, settings, num_threads)
            splits = _write_splits(stage, spool, vetting.images, source, settings)
        return _write_descriptions(stage, source, settings, vetting, splits)


@dataclasses.dataclass
class _Vetting:
    """What the pass over the source found."""

    images: list[_Image] = dataclasses.field(default_factory=list)
    rejected: list[Rejected] = dataclasses.field(default_factory=list)
    normalised: Counter[str] = dataclasses.field(default_factory=Counter)
    fingerprint: str = ""


def _vet_into(
    spool: Spool, source: Source, settings: Settings, num_threads: int | None
) -> _Vetting:
    # Here, because it brings TensorFlow: seconds for which bad input need not wait.
    import_tensorflow()
    from pipelines.vet import vet_images

    found = _Vetting()
    identities = []
    with contextlib.closing(vet_images(source.images(), num_threads)) as vetted_images:
        for vetted in progress(vetted_images, source.num_images, "Checking images"):
            image = vetted.source
            identities.append((image.file_name, image.class_name, vetted.sha256))
            if vetted.rejected and settings.on_bad_image == "fail":
                raise InputError(
                    f"received the bad image {image.file_name!r} ({vetted.rejected}), expected "
                    "images that can be decoded; mend or remove it, or pass --on_bad_image=skip to "
                    "leave such images out and have them listed in the manifest."
                )
            if vetted.rejected:
                found.rejected.append(Rejected(image.file_name, vetted.rejected))
                continue
            found.normalised.update([vetted.normalised] if vetted.normalised else [])
            found.images.append(_Image(*identities[-1]))
            spool.append(vetted.data)
    if Counter(class_name for _, class_name, _ in identities) != source.class_counts:
        raise InputError(
            f"received {len(identities)} images from {source.name!r}, which changed while it was "
            f"read, expected the {source.num_images} that it had before; run it again when nobody "
            "writes there."
        )
    found.fingerprint = fingerprint(identities)
    found.rejected.sort(key=lambda rejected: rejected.file_name)
    return found


def _write_splits(
    stage: Path, spool: Spool, images: list[_Image], source: Source, settings: Settings
) -> dict[str, Split]:
    from pipelines.example import serialize_example
    from pipelines.shards import plan_shards, write_shard

    split_choices = settings.test_fraction, settings.validation_fraction, settings.split_seed
    class_names = [image.class_name for image in images]
    # Again: skipped images may have left a class too small, or none of it.
    counts = {name: class_names.count(name) for name in source.class_names}
    check_class_counts(counts, *split_choices)
    parts = split_files([image.file_name for image in images], class_names, *split_choices)
    plan = plan_shards(source.dataset_name, parts, settings.shards, settings.seed)
    labels = {name: label for label, name in enumerate(source.class_names)}

    def record(index: int) -> bytes:
        image = images[index]
        return serialize_example(
            spool[index], labels[image.class_name], image.file_name, image.sha256
        )

    shards: dict[str, list[Shard]] = {split: [] for split in parts}
    for planned in progress(plan, len(plan), "Writing shards"):
        written = write_shard(stage / planned.name, map(record, planned.indices))
        shards[planned.split].append(written)
    return {
        split: Split(
            tuple(sum(images[index].class_name == name for index in indices) for name in labels),
            tuple(shards[split]),
        )
        for split, indices in parts.items()
    }


def _write_descriptions(
    stage: Path, source: Source, settings: Settings, vetting: _Vetting, splits: dict[str, Split]
) -> Manifest:
    from pipelines.shards import write_tfds_metadata

    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name=source.dataset_name,
        class_names=source.class_names,
        splits=splits,
        encoding=ENCODING,
        image_shape=IMAGE_SHAPE,
        source={
            "kind": source.kind,
            "name": source.name,
            "num_images": source.num_images,
            "fingerprint": vetting.fingerprint,
            "ignored_files": source.ignored_files,
        },
        settings=dataclasses.asdict(settings),
        rejected=tuple(vetting.rejected),
        normalised=dict(sorted(vetting.normalised.items())),
    )
    write_tfds_metadata(stage, manifest.name, manifest.class_names, splits)
    write_manifest(stage, manifest)
    return manifest
