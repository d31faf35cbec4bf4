"""Opens a source of labelled images: the sample, a folder, an archive, a list, a TFDS set."""

import functools
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pipelines.runtime.errors import InputError
from pipelines.runtime.files import is_remote
from pipelines.runtime.tensorflow_runtime import import_tensorflow
from pipelines.sources.base import (
    DEFAULT_DOWNLOAD_DIR,
    STUDY_CLASSES,
    Source,
    SourceImage,
    Walk,
    fingerprint,
    is_image,
    total_counts,
)
from pipelines.sources.class_folders import SplitCounts, choose_classes, list_images, read_images
from pipelines.sources.folders_and_archives import walk_archive, walk_folder
from pipelines.sources.image_list import ListFile, count_listed, is_list, read_listed

__all__ = ["STUDY_CLASSES", "Source", "SourceImage", "fingerprint", "open_source"]

SAMPLE_SEED = 0  # one fixed drawing: the command's --seed orders records, whatever their source
_ARCHIVE_SUFFIX = re.compile(r"\.(zip|tar|tgz|tar\.gz)$", re.IGNORECASE)
_Read = Callable[[frozenset[str]], Iterator[SourceImage]]  # the images of the classes chosen
# Kind, own name, counts, ignored files, and what gives the images.
_Found = tuple[str, str, SplitCounts, dict[str, int], _Read]


def open_source(
    name: str,
    classes: Sequence[str] = (),
    download_dir: str = DEFAULT_DOWNLOAD_DIR,
    *,
    for_training: bool = True,
) -> Source:
    """Lists a source of labelled images, without reading them.

    Args:
        name: One of
            'sample', drawn by this project;
            'caltech101', downloaded as published;
            'tfds:NAME', a set of TensorFlow Datasets as `tfds.builder` takes its name, or
            'tfds:DIRECTORY', where one lies prepared;
            the path or the address (gs://, s3://, https://, ...) of a folder of class folders, of a
            .zip, .tar.gz or .tar of one, or of a list of images (.csv with the columns path, label
            and any split; .jsonl with such objects). A folder above the class folders is seen
            through; folders `train`, `test` and `validation` above them are the images' splits.
        classes: The classes wanted; none for the study's four where the source has them all, else
            for every class.
        download_dir: Where what is fetched is kept.
        for_training: False for images that a trained model is asked about: one class is enough, and
            every class with images counts unless chosen.

    Raises:
        InputError: when there is no such source or it cannot be reached, when it is no folder of
            class folders, when a line of a list cannot be used, when a class is missing or empty,
            and when fewer than two are left.
    """
    name = name.removeprefix("file://")
    kind, own_name, split_counts, ignored, read = _find(name, download_dir)
    counts = choose_classes(split_counts, classes, name, for_training=for_training)
    # Not a function of this one's own: Beam sends a source to its workers by pickling it.
    images = functools.partial(read, frozenset(total_counts(counts)))
    return Source(kind, own_name, counts, ignored, images)


def _find(name: str, download_dir: str) -> _Found:
    if name == "sample":
        from pipelines.sources.sample.scene import CLASS_NAMES, IMAGES_PER_CLASS

        return "sample", "sample", {"": dict.fromkeys(CLASS_NAMES, IMAGES_PER_CLASS)}, {}, _drawn
    if name.startswith("tfds:"):
        # Here, because it takes seconds, and no other source needs it.
        import_tensorflow()
        from pipelines.sources.tfds import list_examples, open_set, read_examples

        data = open_set(name, download_dir)
        listing = list_examples(data)
        read = functools.partial(read_examples, data, listing)
        return "tfds", data.name, listing.split_counts, listing.ignored, read
    if name == "caltech101":
        from pipelines.sources import remote

        archive = remote.download(remote.CALTECH101, download_dir)
        return _folder_or_archive(name, name, _archive_walk(archive), kind=name)
    if is_remote(name):
        return _remote(name, Path(download_dir).expanduser() / "remote")
    path = Path(name).expanduser()
    if not path.exists():
        raise InputError(
            f"received the source {name!r}, which does not exist, expected 'sample', 'caltech101', "
            "'tfds:NAME', or the path or address of a folder of class folders, of a .zip or "
            ".tar.gz of one, or of a .csv or .jsonl list; see to the path."
        )
    own_name = path.resolve().name
    if path.is_dir():
        walk = functools.partial(walk_folder, path)
        return _folder_or_archive(name, own_name, walk, kind="folder")
    if is_list(name):
        cache = Path(download_dir).expanduser() / "remote"
        return _list(ListFile(name, path, cache), own_name)
    return _folder_or_archive(name, own_name, _archive_walk(path), kind="archive")


def _drawn(classes: frozenset[str]) -> Iterator[SourceImage]:
    from pipelines.sources.sample.scene import IMAGES_PER_CLASS, draw_sample

    for class_name, file_name, data in draw_sample(SAMPLE_SEED, IMAGES_PER_CLASS):
        if class_name in classes:
            path = posixpath.join(class_name, posixpath.basename(file_name))
            yield SourceImage(class_name, path, functools.partial(bytes, data))


def _remote(url: str, cache: Path) -> _Found:
    # Here, since it brings fsspec, which no source of this machine needs.
    from pipelines.sources.remote import base_name, fetch, is_remote_folder, walk_remote

    own_name = base_name(url)
    if is_list(own_name):
        return _list(ListFile(url, fetch(url, cache), cache), own_name)
    if not _ARCHIVE_SUFFIX.search(own_name) and is_remote_folder(url):
        remote_walk = functools.partial(walk_remote, url, cache)
        return _folder_or_archive(url, own_name, remote_walk, kind="folder")
    archive_walk = _archive_walk(fetch(url, cache, with_bar=True))
    return _folder_or_archive(url, own_name, archive_walk, kind="archive")


def _list(listed: ListFile, own_name: str) -> _Found:
    read = functools.partial(read_listed, listed)
    return "list", own_name.rpartition(".")[0], count_listed(listed), {}, read


def _archive_walk(path: Path) -> Walk:
    outer = functools.partial(walk_archive, path, nested=False)
    # Archives inside are looked into only where the images are not to be had without.
    if any(is_image(member.name) and not member.is_folder for member in outer()):
        return outer
    return functools.partial(walk_archive, path, nested=True)


def _folder_or_archive(name: str, own_name: str, walk: Walk, kind: str) -> _Found:
    listing = list_images(name, walk)
    streamed = kind != "folder"
    read = functools.partial(read_images, walk, listing, streamed=streamed)
    if streamed:
        own_name = _ARCHIVE_SUFFIX.sub("", own_name)
    return kind, own_name, listing.split_counts, listing.ignored, read
