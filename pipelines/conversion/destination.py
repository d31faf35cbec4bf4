"""May a set be written here? Looks at what the output directory holds, before any long work."""

import hashlib
import os
from collections.abc import Mapping
from typing import Any

from etils import epath

from pipelines.runtime.console import progress
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import check_movable, is_free, is_remote
from pipelines.sources import Source, fingerprint
from pipelines.sources.prefetch import read_ahead
from pipelines.tfrecords.manifest import MANIFEST_NAME, Manifest, load_manifest
from pipelines.tfrecords.verification import verify


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
    what_to_do = "choose another --output_dir, or remove it yourself."
    if not (path / MANIFEST_NAME).is_file():
        raise InputError(
            f"received the output directory {os.fspath(output_dir)!r}, which exists and is no "
            f"finished set of shards, expected a new, empty or finished one; {what_to_do}"
        )
    if overwrite:
        known = load_manifest(output_dir).file_names
        others = sorted(entry.name for entry in path.iterdir() if entry.name not in known)
        if others:
            raise InputError(
                f"received --overwrite for {os.fspath(output_dir)!r}, which also holds "
                f"{others[0]!r}, expected nothing but a finished set; move it away, or {what_to_do}"
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
