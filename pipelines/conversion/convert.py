"""From a source to a finished set of shards: check the place, validate, split, plan, write."""

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from etils import epath

from pipelines.conversion.catalog import Catalog
from pipelines.conversion.split import check_class_counts, split_images
from pipelines.runtime.console import progress
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import atomic_directory, check_movable, is_free, is_remote
from pipelines.runtime.tensorflow_runtime import import_tensorflow
from pipelines.sources import Source, fingerprint
from pipelines.sources.base import read_ahead
from pipelines.tfrecords.manifest import (
    MANIFEST_NAME,
    SCHEMA_VERSION,
    Manifest,
    Settings,
    Shard,
    Split,
    load_manifest,
)
from pipelines.tfrecords.verification import verify
from pipelines.tfrecords.writer import PlannedShard, make_indices, plan_shards, write_beside_shards

if TYPE_CHECKING:  # it brings TensorFlow: seconds for which bad input need not wait
    from pipelines.conversion.validation import Choices, Prepared

__all__ = ["convert"]


class Engine(Protocol):
    """What does the work; whichever does it, the shards are the same to the byte."""

    def prepare(
        self, source: Source, choices: "Choices", directory: os.PathLike[str]
    ) -> Generator["Prepared", None, None]:
        """Prepares all images and keeps the records of those that are not rejected."""

    def write(self, plan: Sequence[PlannedShard], directory: os.PathLike[str]) -> list[Shard]:
        """Writes the planned shards, where index i is the i-th image that was not rejected."""


def convert(
    source: Source,
    settings: Settings,
    output_dir: os.PathLike[str],
    *,
    overwrite: bool = False,
    engine: Engine | None = None,
) -> Manifest:
    """Writes `source` as a finished set into `output_dir`, or nothing.

    Args:
        output_dir: Missing, empty, or with `overwrite` a finished set.
        engine: What does the work; None for a `LocalEngine`.

    Raises:
        InputError: for a class with too few images, for the same picture under two labels, and for
            a bad image unless `settings.on_bad_image` is 'skip'.
    """
    check_destination(output_dir, overwrite)
    if settings.split == "source" and not any(source.split_counts):
        raise InputError(
            f"received --split=source for {source.name!r}, which has no parts of its own, expected "
            "train/ and test/ folders, or a data set or a list that names them; leave --split out."
        )
    check_class_counts(source.split_counts, settings)
    import_tensorflow()
    from pipelines.conversion.local_engine import LocalEngine

    engine = engine or LocalEngine()
    with atomic_directory(output_dir, replace=overwrite) as stage:
        catalog = _catalog_images(engine, source, settings, stage)
        copies = catalog.copies()
        catalog.check_labels(copies)
        groups = catalog.near_copies() if settings.group_duplicates else []
        catalog.check_labels(groups)
        parts = split_images(
            catalog.file_names,
            catalog.class_names,
            catalog.labels,
            catalog.splits,
            groups,
            settings,
        )
        size = settings.shards, settings.shard_size_mb
        plan = plan_shards(source.dataset_name, parts, catalog.record_bytes, size, settings.seed)
        shards = engine.write(plan, stage)
        splits = {
            split: Split(
                catalog.class_counts(indices),
                tuple(shard for shard, p in zip(shards, plan, strict=True) if p.split == split),
            )
            for split, indices in parts.items()
        }
        manifest = _describe(source, settings, catalog, splits, copies, groups)
        indices = make_indices(plan, catalog.record_bytes, catalog.labels)
        return write_beside_shards(stage, manifest, indices)


def _catalog_images(
    engine: Engine, source: Source, settings: Settings, stage: os.PathLike[str]
) -> Catalog:
    from pipelines.conversion.validation import Choices

    size = settings.image_size if settings.encoding == "raw" else None
    choices = Choices(source.class_names, size, hashed=settings.group_duplicates)
    catalog = Catalog(source.class_names)
    with contextlib.closing(engine.prepare(source, choices, stage)) as images:
        total = source.num_images
        for prepared in progress(images, total, "Checking images", lambda one: one.source_bytes):
            catalog.add(prepared)
            if prepared.rejected:
                _check_rejected(catalog, settings)
    if catalog.seen_counts != source.split_counts:
        raise InputError(
            f"received {catalog.num_seen} images from {source.name!r}, which changed while it "
            f"was read, expected the {source.num_images} that it had before; run it again when "
            "nobody writes there."
        )
    return catalog


def _check_rejected(catalog: Catalog, settings: Settings) -> None:
    last = catalog.rejected[-1]
    if settings.on_bad_image == "fail":
        raise InputError(
            f"received the bad image {last.file_name!r} ({last.reason}), expected images that can "
            "be decoded; mend it or move it away, or pass --on_bad_image=skip to leave such images "
            "out and have them listed in the manifest."
        )
    most = settings.max_bad_images
    if most is not None and len(catalog.rejected) > most:
        raise InputError(
            f"received {len(catalog.rejected)} bad images so far, the last {last.file_name!r} "
            f"({last.reason}), expected at most --max_bad_images={most}; see to the source, or "
            "raise it."
        )


def _describe(
    source: Source,
    settings: Settings,
    catalog: Catalog,
    splits: dict[str, Split],
    copies: list[tuple[int, ...]],
    groups: list[tuple[int, ...]],
) -> Manifest:
    size = settings.image_size if settings.encoding == "raw" else None
    named = (sorted(catalog.file_names[index] for index in group) for group in groups)
    return Manifest(
        schema_version=SCHEMA_VERSION,
        name=source.dataset_name,
        class_names=source.class_names,
        splits=splits,
        encoding=settings.encoding,
        image_shape=(size, size, 3),
        source={
            "kind": source.kind,
            "name": source.name,
            "num_images": source.num_images,
            "fingerprint": catalog.fingerprint(),
            "ignored_files": source.ignored_files,
            "byte_identical_images": sum(len(group) - 1 for group in copies),
        },
        settings=dataclasses.asdict(settings),
        rejected=tuple(sorted(catalog.rejected, key=lambda rejected: rejected.file_name)),
        normalised=dict(sorted(catalog.normalised.items())),
        remarks=dict(sorted(catalog.remarks.items())),
        duplicates=tuple(sorted(tuple(names) for names in named)),
        metadata={},
    )


def check_destination(output_dir: os.PathLike[str], overwrite: bool) -> None:
    """Checks that `output_dir` may be written, as far as can be seen before any work.

    Raises:
        InputError: when it is neither missing, nor empty, nor a finished set; with `overwrite`
            also when it is a finished set with other files in it, which would be lost. And when
            another directory cannot be put in its place.
    """
    path = epath.Path(output_dir)
    if not is_remote(output_dir):
        check_movable(output_dir)
    if is_free(path):
        return
    if not (path / MANIFEST_NAME).is_file():
        raise InputError(
            f"received the output directory {os.fspath(output_dir)!r}, which exists and is no "
            "finished set of shards, expected a new, empty or finished one; choose another "
            "--output_dir."
        )
    if overwrite:
        known = load_manifest(output_dir).file_names
        others = sorted(entry.name for entry in path.iterdir() if entry.name not in known)
        if others:
            raise InputError(
                f"received --overwrite for {os.fspath(output_dir)!r}, which also holds "
                f"{others[0]!r}, expected nothing but a finished set; move that away, or choose "
                "another --output_dir."
            )


def find_identical(
    output_dir: os.PathLike[str], source: Source, settings: Mapping[str, Any]
) -> Manifest | None:
    """The manifest of the set in `output_dir` if it is just what would be written now.

    The source's bytes are read only when everything else agrees.

    Raises:
        InputError: when there is another set, or when the set there is damaged.
    """
    if not epath.Path(output_dir, MANIFEST_NAME).exists():
        return None
    manifest = load_manifest(output_dir)
    difference = _difference(manifest, source, settings)
    if difference:
        raise InputError(
            f"received the output directory {os.fspath(output_dir)!r}, which holds another set "
            f"({difference}), expected a new directory or the same set; choose another "
            "--output_dir, or pass --overwrite to replace it."
        )
    for problem in verify(output_dir).problems:
        if problem.file in manifest.file_names:  # what else lies there does no harm
            raise InputError(
                f"received the output directory {os.fspath(output_dir)!r}, which holds this very "
                f"set but damaged ({problem.file}: {problem.problem}), expected it as it was "
                "written; pass --overwrite to make it again."
            )
    return manifest


def _difference(manifest: Manifest, source: Source, settings: Mapping[str, Any]) -> str:
    """How the set of `manifest` differs from what would be written; '' if it does not."""
    pairs: list[tuple[str, Any, Any]] = [
        ("data set", manifest.name, source.dataset_name),
        ("classes", ", ".join(manifest.class_names), ", ".join(source.class_names)),
        ("images", manifest.source["num_images"], source.num_images),
    ]
    for name in sorted(settings.keys() | manifest.settings.keys()):
        pairs.append((f"--{name}", manifest.settings.get(name), settings.get(name)))
    differing = [f"{what}: {there} there, {now} now" for what, there, now in pairs if there != now]
    if differing:
        return "; ".join(differing)
    with read_ahead(source.images()) as files:
        identities = (
            (image.file_name, image.class_name, image.split, hashlib.sha256(data).hexdigest())
            for image, data in progress(files, source.num_images, "Comparing images")
        )
        same = fingerprint(identities) == manifest.source["fingerprint"]
    return "" if same else "images with other names or other content"
