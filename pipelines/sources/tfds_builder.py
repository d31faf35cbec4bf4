"""Finds a data set of TensorFlow Datasets, by its name or its directory, and has it prepared."""

import difflib
import os
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow_datasets as tfds
from etils import epath

from pipelines.runtime import console
from pipelines.runtime.errors import InputError
from pipelines.sources.download import reach, without_leftovers

_INFO_NAME = "dataset_info.json"
_NAME_FEATURES = ("file_name", "image/file_name", "image/filename", "filename", "id")


class Features(NamedTuple):
    """The names of the features that are used; '' where a set has no name for its examples."""

    image: str
    label: str
    file_name: str


def find_builder(source: str) -> Any:
    """The builder of `tfds:NAME`, as `tfds.builder` takes names, or of `tfds:DIRECTORY`.

    Raises:
        InputError: when there is no such set, or not at that version or in that configuration.
    """
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
            f"({_one_line(error)}), expected NAME, NAME/CONFIG or NAME:VERSION of a set, or the "
            "directory of a prepared one; see to the name."
        ) from error


def find_features(source: str, builder: Any) -> Features:
    """The image and its label: those that the set is meant for, else the only ones of their kinds.

    Raises:
        InputError: when there are none, or several.
    """
    features = dict(sorted(builder.info.features.items()))  # TFDS reads them in any order
    keys = builder.info.supervised_keys
    meant = [key for key in keys or () if isinstance(key, str)]
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
    return Features(found[0], found[1], next(scalars, ""))


def prepare(source: str, builder: Any, download_dir: str) -> None:
    """Downloads and prepares the set in `TFDS_DATA_DIR`, unless that is done already.

    Raises:
        InputError: when it cannot be downloaded or made.
    """
    if epath.Path(builder.data_dir, _INFO_NAME).exists():
        return
    directory = Path(download_dir).expanduser()
    if not console.shows_bars():
        tfds.disable_progress_bar()
    try:
        _reach_origin(builder, directory)
        with without_leftovers(directory):
            builder.download_and_prepare(download_dir=str(directory))
    except Exception as error:  # a builder of somebody's raises whatever it does
        raise InputError(
            f"received the source {source!r}, which is not in {str(builder.data_dir)!r} and could "
            f"not be made there ({_one_line(error)}), expected a set that is prepared, or can be "
            "downloaded; see to the network, to TFDS_DATA_DIR and to what its page in the "
            "catalogue of TensorFlow Datasets asks for."
        ) from error


def _reach_origin(builder: Any, directory: Path) -> None:
    """Fails at once where there is no network: TFDS would try again for minutes."""
    file_name = tfds.download.resource.get_dl_fname
    known = builder.url_infos or {}
    files = [(url, file_name(url, info.checksum)) for url, info in known.items()]
    if files and not any((directory / name).exists() for _, name in files):
        reach(files[0][0])


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
