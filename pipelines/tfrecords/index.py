"""Where each record of a finished set begins and which label it has, without reading its shards.

One file beside the shards, `index.npz`, has two arrays for each split: `SPLIT/offsets`, the byte of
its own shard at which the frame of each record begins, and `SPLIT/labels`. Both are in stored
order: shard after shard as the manifest lists them, record after record. So a reader can begin at
any record without reading those before it, and balance classes without reading images.
"""

import dataclasses
import hashlib
import io
import os
import zipfile
from collections.abc import Mapping

import numpy as np
from etils import epath

from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import MANIFEST_NAME, Manifest, ShardedDataset, Split

__all__ = ["RecordIndex", "load_index"]

INDEX_NAME = "index.npz"


@dataclasses.dataclass(frozen=True, eq=False)
class RecordIndex:
    """The records of one split, in stored order."""

    # Where each record's frame begins in its shard, in bytes, 0 for the first record of every
    # shard; int64 (num_examples,).
    offsets: np.ndarray
    labels: np.ndarray  # each record's label; int64 (num_examples,)


def write_index(
    directory: str | os.PathLike[str], indices: Mapping[str, RecordIndex]
) -> dict[str, str]:
    """Writes `index.npz`, the same bytes for the same indices; returns its name -> its SHA-256."""
    arrays = {
        f"{split}/{field}": array
        for split, index in indices.items()
        for field, array in vars(index).items()
    }
    # First into memory: a stream that cannot seek, as to an object store, gets other bytes.
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    data = stream.getvalue()
    epath.Path(directory, INDEX_NAME).write_bytes(data)
    return {INDEX_NAME: hashlib.sha256(data).hexdigest()}


def load_index(dataset: ShardedDataset, split: str) -> RecordIndex:
    """Reads the index of one split of a finished set.

    Raises:
        InputError: when the file is missing, is not the one whose SHA-256 the manifest has, or
            contradicts the manifest.
    """
    path, manifest = dataset.directory / INDEX_NAME, dataset.manifest
    data = _read(path, manifest)
    try:
        arrays = np.load(io.BytesIO(data), allow_pickle=False)
        index = RecordIndex(arrays[f"{split}/offsets"], arrays[f"{split}/labels"])
    except (EOFError, ValueError, LookupError, zipfile.BadZipFile) as error:
        raise _unusable(
            path, f"which cannot be read ({error})", f"an index of the split {split!r}"
        ) from error
    _check(path, index, split, manifest.splits[split])
    return index


def _read(path: epath.Path, manifest: Manifest) -> bytes:
    """The bytes of the index, which are those that were written."""
    wanted = manifest.metadata.get(INDEX_NAME)
    if wanted is None:
        raise _unusable(path, f"which {MANIFEST_NAME} does not name", "the index of its set")
    expected = f"that of SHA-256 {wanted} as {MANIFEST_NAME} says"
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise _unusable(path, "which is missing", expected) from error
    except OSError as error:
        problem = f"which cannot be read ({error.strerror or error})"
        raise _unusable(path, problem, expected) from error
    received = hashlib.sha256(data).hexdigest()
    if received != wanted:
        raise _unusable(path, f"of SHA-256 {received}", expected)
    return data


def _check(path: epath.Path, index: RecordIndex, split: str, expected: Split) -> None:
    for field, array in vars(index).items():
        if array.shape != (expected.num_examples,) or array.dtype != np.int64:
            raise _unusable(
                path,
                f"whose {field} of the split {split!r} are {array.dtype} of shape {array.shape}",
                f"int64 of shape {(expected.num_examples,)} as {MANIFEST_NAME} says",
            )
    num_classes = len(expected.class_counts)
    # A label out of range is missing in the count of another one.
    known = index.labels[(index.labels >= 0) & (index.labels < num_classes)]
    counts = np.bincount(known, minlength=num_classes).tolist()
    if counts != list(expected.class_counts):
        raise _unusable(
            path,
            f"with {counts} records of the classes of the split {split!r}",
            f"{list(expected.class_counts)} as {MANIFEST_NAME} says",
        )
    ends_of_shards = np.cumsum([shard.num_examples for shard in expected.shards])
    offsets_of_shards = np.split(index.offsets, ends_of_shards[:-1])
    for shard, offsets in zip(expected.shards, offsets_of_shards, strict=True):
        if offsets[:1].any():
            begins = f"whose first record of {shard.name!r} begins at byte {offsets[0]}"
            raise _unusable(path, begins, "0")
        nexts = np.append(offsets[1:], shard.num_bytes)
        wrong = np.flatnonzero(offsets >= nexts)
        if wrong.size:
            record = wrong[0]
            raise _unusable(
                path,
                f"whose record {record} of {shard.name!r} begins at byte {offsets[record]}",
                f"a byte before {nexts[record]}, where the next record begins or the shard ends",
            )


def _unusable(path: epath.Path, received: str, expected: str) -> InputError:
    return InputError(
        f"received the index {str(path)!r}, {received}, expected {expected}; copy the set again, "
        "or make it again with `python -m pipelines.make_tfrecords --source=... "
        f"--output_dir={path.parent} --overwrite`."
    )
