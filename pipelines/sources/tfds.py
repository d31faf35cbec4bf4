"""Labelled images from a data set of TensorFlow Datasets, by its name or its directory.

The images stay as the set holds them, encoded; nothing is decoded here.
"""

import difflib
import functools
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging
from etils import epath

from pipelines.runtime.console import progress
from pipelines.runtime.errors import InputError, one_line
from pipelines.sources.base import Listing, SourceImage, split_named
from pipelines.sources.remote import downloading
from pipelines.tfrecords.manifest import SPLITS

_INFO_NAME = "dataset_info.json"
_NAME_FEATURES = ("file_name", "image/file_name", "image/filename", "filename", "id")
# The first of these that gives every example another name is taken.
_NAMINGS = ("{own}", "{entry}/{class_name}/{own}", "{entry}/{number:08}")
# The parts of a name, the class, and the image, which is b'' where it was not asked for.
_Example = tuple[dict[str, Any], str, bytes]


class TfdsSet(NamedTuple):
    """A prepared set, and the names of the features that are used."""

    source: str  # its name as the user gave it
    builder: Any
    image: str
    label: str
    file_name: str  # '' where the set has no name for its examples

    @property
    def name(self) -> str:
        config = self.builder.builder_config
        return f"{self.builder.name}_{config.name}" if config else str(self.builder.name)


def _builder(source: str) -> Any:
    name = os.path.expanduser(source.removeprefix("tfds:"))
    there = epath.Path(name, _INFO_NAME).exists() if name else False
    try:
        if there or name.startswith((".", "/")) or "://" in name:
            return tfds.builder_from_directory(name)
        return tfds.builder(name)
    except tfds.core.DatasetNotFoundError as error:
        known = tfds.list_builders(with_community_datasets=False)
        close = difflib.get_close_matches(name, known, cutoff=0.5)
        hint = f" (close to it: {', '.join(close)})" if close else ""
        raise InputError(
            f"received the source {source!r}, which TensorFlow Datasets does not have{hint}, "
            "expected a name as `tfds.list_builders()` gives them, or the directory of a prepared "
            "set; see to the name."
        ) from error
    except Exception as error:  # a builder of somebody's raises whatever it does
        raise InputError(
            f"received the source {source!r}, which TensorFlow Datasets cannot open "
            f"({one_line(error, 300)}), expected NAME, NAME/CONFIG or NAME:VERSION of a set, or "
            "the directory of a prepared one; see to the name."
        ) from error


def _features(source: str, builder: Any) -> list[str]:
    """Image and label that the set is meant for, else the only ones of their kinds; and a name."""
    features = dict(sorted(builder.info.features.items()))  # TFDS reads them in any order
    meant = [key for key in builder.info.supervised_keys or () if isinstance(key, str)]
    found = []
    for kind in (tfds.features.Image, tfds.features.ClassLabel):
        names = [name for name, feature in features.items() if isinstance(feature, kind)]
        chosen = [name for name in names if name in meant] or names
        if len(chosen) != 1:
            named = ", ".join(f"{name} ({type(f).__name__})" for name, f in features.items())
            raise InputError(
                f"received the source {source!r} with {len(chosen)} features of the kind "
                f"{kind.__name__} among {named}, expected one Image and one ClassLabel; choose a "
                "set for image classification, or another configuration of it."
            )
        found += chosen
    scalars = (name for name in _NAME_FEATURES if getattr(features.get(name), "shape", None) == ())
    return [*found, next(scalars, "")]


def _prepare(source: str, builder: Any, download_dir: str) -> None:
    """Downloads and prepares the set in `TFDS_DATA_DIR`, unless that is done already."""
    if epath.Path(builder.data_dir, _INFO_NAME).exists():
        return
    directory = Path(download_dir).expanduser()
    try:
        with downloading(directory, _missing_origin(builder, directory)):
            builder.download_and_prepare(download_dir=str(directory))
    except Exception as error:  # a builder of somebody's raises whatever it does
        raise InputError(
            f"received the source {source!r}, which is not in {str(builder.data_dir)!r} and could "
            f"not be made there ({one_line(error, 300)}), expected a set that is prepared, or can "
            "be downloaded; see to the network, to TFDS_DATA_DIR and to what its page in the "
            "catalogue of TensorFlow Datasets asks for."
        ) from error


def _missing_origin(builder: Any, directory: Path) -> str | None:
    """An address that the set is fetched from, unless some of its files are there."""
    file_name = tfds.download.resource.get_dl_fname
    known = builder.url_infos or {}
    names = [file_name(url, info.checksum) for url, info in known.items()]
    return None if any((directory / name).exists() for name in names) else next(iter(known), None)


def open_set(source: str, download_dir: str) -> TfdsSet:
    """The set that `tfds:NAME`, as `tfds.builder` takes names, or `tfds:DIRECTORY` names, prepared.

    Raises:
        InputError: when there is none, or not at that version or in that configuration, when it
            has no image or no label or several of them, and when it can be neither found nor made.
    """
    builder = _builder(source)
    features = _features(source, builder)  # before anything is downloaded
    _prepare(source, builder, download_dir)
    return TfdsSet(source, builder, *features)


def list_examples(data: TfdsSet) -> Listing:
    """Counts the set's images by split and class, and decides on their names.

    Raises:
        InputError: when it has no split that could be meant, or two for the same, and when it
            cannot be read to its end.
    """
    ignored: Counter[str] = Counter()
    entries = _entries(data, ignored)
    counts: dict[str, Counter[str]] = {}
    seen: dict[str, set[str]] = {naming: set() for naming in _NAMINGS}
    for entry, split in entries.items():
        total = data.builder.info.splits[entry].num_examples
        examples = _examples(data, entry, with_images=False)
        for parts, class_name, _ in progress(examples, total, f"Counting labels of {entry}"):
            if not class_name:
                ignored["example without a label"] += 1
                continue
            counts.setdefault(split, Counter())[class_name] += 1
            for naming in list(seen):
                name = naming.format(**parts)
                if name in seen[naming]:
                    del seen[naming]
                else:
                    seen[naming].add(name)
    if len(counts) == 1:  # a single split divides nothing
        entries = dict.fromkeys(entries, "")
        counts = {"": counts.popitem()[1]}
    read = functools.partial(_read, data, entries, next(iter(seen)))
    return Listing(counts, ignored, read)


def _read(
    data: TfdsSet, entries: dict[str, str], naming: str, classes: frozenset[str]
) -> Iterator[SourceImage]:
    """The images of `classes` as the set holds them, split by split, in the set's order.

    Args:
        entries: The set's own name of a split -> our name, or '' for the only one.

    Raises:
        InputError: when the set cannot be read to its end.
    """
    for entry, split in entries.items():
        for parts, class_name, image in _examples(data, entry, with_images=True):
            if class_name in classes:
                read = functools.partial(bytes, image)
                yield SourceImage(class_name, naming.format(**parts), read, split)


def _entries(data: TfdsSet, ignored: Counter[str]) -> dict[str, str]:
    """The set's own names of the splits that are used -> our names, in our order."""
    infos = data.builder.info.splits
    used = {entry: split_named(entry) for entry in infos if split_named(entry)}
    if not used or len(set(used.values())) < len(used):
        raise InputError(
            f"received the source {data.source!r} with the splits {', '.join(infos)}, expected "
            f"some of {', '.join(SPLITS)}, each once; choose another set or configuration."
        )
    for entry in infos:
        if entry not in used:
            ignored[f"example of the split {entry!r}"] += infos[entry].num_examples
    return dict(sorted(used.items(), key=lambda item: SPLITS.index(item[1])))


def _examples(data: TfdsSet, entry: str, with_images: bool) -> Iterator[_Example]:
    """The examples of one of the set's splits, in their one order."""
    _, builder, image, label, file_name = data
    keys = [image, label, file_name] if with_images else [label, file_name]
    skip = {image: tfds.decode.SkipDecoding()} if with_images else None
    decoders = tfds.decode.PartialDecoding({key: True for key in keys if key}, decoders=skip)
    class_names = builder.info.features[label].names
    verbosity = logging.get_verbosity()
    try:
        logging.set_verbosity(min(verbosity, logging.ERROR))  # TFDS warns against its own code
        try:
            examples = builder.as_dataset(
                split=entry, decoders=decoders, shuffle_files=False, read_config=_read_config()
            )
        finally:
            logging.set_verbosity(verbosity)
        for number, example in enumerate(examples.as_numpy_iterator()):
            labelled = 0 <= example[label] < len(class_names)
            class_name = class_names[example[label]] if labelled else ""
            own = example[file_name] if file_name else ""
            own = own.decode("utf-8", "surrogateescape") if isinstance(own, bytes) else str(own)
            parts = {"own": own, "entry": entry, "class_name": class_name, "number": number}
            yield parts, class_name, example.get(image, b"")
    # NotImplementedError: a file format that TFDS does not read with tf.data.
    except (tf.errors.OpError, OSError, AssertionError, NotImplementedError) as error:
        raise InputError(
            f"received the source {data.source!r}, whose split {entry!r} cannot be read to its end "
            f"({one_line(error, 300)}), expected a whole prepared set; move "
            f"{str(builder.data_dir)!r} away and prepare it again."
        ) from error


def _read_config() -> Any:
    options = tf.data.Options()
    options.autotune.enabled = False  # with it, dropping an iterator can block for a minute
    return tfds.ReadConfig(
        options=options,
        try_autocache=False,
        skip_prefetch=True,
        # One shard after the other: the order must not depend on the machine.
        interleave_cycle_length=1,
        num_parallel_calls_for_decode=2,
        num_parallel_calls_for_interleave_files=1,
    )
