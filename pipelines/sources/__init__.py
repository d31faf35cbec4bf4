"""Opens a source of labelled images: the sample, a folder, an archive, a list, a TFDS set."""

import functools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipelines.runtime.errors import InputError
from pipelines.runtime.files import is_remote
from pipelines.runtime.tensorflow_runtime import import_tensorflow
from pipelines.sources.base import (
    DEFAULT_DOWNLOAD_DIR,
    STUDY_CLASSES,
    Listing,
    Source,
    SourceImage,
    fingerprint,
    is_image,
    total_counts,
)
from pipelines.sources.class_folders import choose_classes, list_images
from pipelines.sources.folders_and_archives import walk_archive, walk_folder
from pipelines.sources.image_list import ListFile, is_list, list_lines

__all__ = ["STUDY_CLASSES", "Source", "SourceImage", "fingerprint", "open_source"]

SAMPLE_SEED = 0  # one fixed drawing: the command's --seed orders records, whatever their source
_ARCHIVE_SUFFIX = re.compile(r"\.(zip|tar|tgz|tar\.gz)$", re.IGNORECASE)
_Found = tuple[str, str, Listing]  # the kind and the own name of a source, and what is in it


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
    kind, own_name, listing = _find(name, download_dir)
    counts = choose_classes(listing.split_counts, classes, name, for_training=for_training)
    # Not a function of this one's own: Beam sends a source to its workers by pickling it.
    images = functools.partial(listing.read, frozenset(total_counts(counts)))
    return Source(kind, own_name, counts, dict(sorted(listing.ignored.items())), images)


def _find(name: str, download_dir: str) -> _Found:
    if name == "sample":
        from pipelines.sources.sample.scene import CLASS_NAMES, IMAGES_PER_CLASS

        counts = dict.fromkeys(CLASS_NAMES, IMAGES_PER_CLASS)
        return "sample", "sample", Listing({"": counts}, {}, _drawn)
    if name.startswith("tfds:"):
        # Here, because it takes seconds, and no other source needs it.
        import_tensorflow()
        from pipelines.sources.tfds import list_examples, open_set

        data = open_set(name, download_dir)
        return "tfds", data.name, list_examples(data)
    if name == "caltech101":
        from pipelines.sources import remote

        return name, name, _list_archive(name, remote.download(remote.CALTECH101, download_dir))
    return _find_folder_or_file(name, Path(download_dir, "remote"))


def _drawn(classes: frozenset[str]) -> Iterator[SourceImage]:
    from pipelines.sources.sample.scene import IMAGES_PER_CLASS, draw_sample

    for class_name, file_name, data in draw_sample(SAMPLE_SEED, IMAGES_PER_CLASS):
        if class_name in classes:
            read = functools.partial(bytes, data)
            yield SourceImage(class_name, f"{class_name}/{file_name}", read)


def _find_folder_or_file(name: str, cache: Path) -> _Found:
    if is_remote(name):
        # Here, since it brings fsspec, which no source of this machine needs.
        from pipelines.sources.remote import base_name, fetch, is_remote_folder, walk_remote

        own_name = base_name(name)
        as_list = is_list(own_name)
        if not (as_list or _ARCHIVE_SUFFIX.search(own_name)) and is_remote_folder(name):
            walk = functools.partial(walk_remote, name, cache)
            return "folder", own_name, list_images(name, walk, streamed=False)
        path = fetch(name, cache, with_bar=not as_list)
    else:
        path = Path(name).expanduser()
        if not path.exists():
            raise InputError(
                f"received the source {name!r}, which does not exist, expected 'sample', "
                "'caltech101', 'tfds:NAME', or the path or address of a folder of class folders, "
                "of a .zip or .tar.gz of one, or of a .csv or .jsonl list; see to the path."
            )
        own_name, as_list = path.resolve().name, is_list(name)
        if path.is_dir():
            walk = functools.partial(walk_folder, path)
            return "folder", own_name, list_images(name, walk, streamed=False)
    if as_list:
        return "list", own_name.rpartition(".")[0], list_lines(ListFile(name, path, cache))
    return "archive", _ARCHIVE_SUFFIX.sub("", own_name), _list_archive(name, path)


def _list_archive(name: str, path: Path) -> Listing:
    # Archives inside are looked into only where the images are not to be had without.
    walk = functools.partial(walk_archive, path, nested=False)
    if not any(is_image(member.name) and not member.is_folder for member in walk()):
        walk = functools.partial(walk_archive, path, nested=True)
    return list_images(name, walk, streamed=True)
