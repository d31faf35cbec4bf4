"""An index that is damaged, or at odds with its manifest: one line that says so."""

import dataclasses
import hashlib
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipelines.runtime.errors import InputError
from pipelines.tfrecords.index import INDEX_NAME, RecordIndex, load_index, write_index
from pipelines.tfrecords.manifest import (
    Manifest,
    ShardedDataset,
    load_manifest,
    open_dataset,
    write_manifest,
)
from pipelines.tfrecords.verification import verify

MAKE_AGAIN = "; copy the set again, or make it again with `python -m pipelines.make_tfrecords"
SHARDS = [f"'shapes-train.tfrecord-0000{number}-of-00002'" for number in range(2)]


@pytest.fixture
def copied_set(data_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(data_dir, tmp_path / "copy"))


def _unlink(path: Path) -> None:
    path.unlink()


def _make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)


def _replace_by_another(path: Path) -> None:
    """An index of as many records, but of another set."""
    index = RecordIndex(np.arange(18), np.arange(18) % 3)
    write_index(path.parent, {"train": index, "test": index})


DAMAGE = {
    "a missing index": (_unlink, "which is missing, expected that of SHA-256", "it is missing"),
    "an index that is a folder": (_make_a_folder, "cannot be read (Is a", "cannot be read (Is a"),
    "an empty index": (lambda path: path.write_bytes(b""), "of SHA-256 e3b0", "not as it was"),
    "an index that is cut": (_cut, "of SHA-256 ", "it is not as it was written"),
    "a flipped bit in the index": (_flip_a_bit, "of SHA-256 ", "it is not as it was written"),
    "the index of another set": (_replace_by_another, "of SHA-256 ", "it is not as it was"),
}


@pytest.mark.parametrize("fault", DAMAGE)
def test_a_damaged_index_is_refused_and_found(copied_set: Path, fault: str, note_fault: Callable):
    happened = note_fault("damaged set", fault)
    damage, refused, found = DAMAGE[fault]
    manifest = load_manifest(copied_set)
    damage(copied_set / INDEX_NAME)
    with pytest.raises(InputError) as caught:
        load_index(ShardedDataset(copied_set, manifest), "train")
    happened(caught.value)
    message = str(caught.value)
    assert message.startswith(f"received the index '{copied_set / INDEX_NAME}', ")
    assert refused in message and ", expected " in message and "\n" not in message
    assert MAKE_AGAIN in message and f"--output_dir={copied_set} --overwrite" in message
    (problem,) = verify(copied_set, progress=False).problems
    assert (problem.file, problem.record) == (INDEX_NAME, None) and found in problem.problem


def _name(directory: Path, data: bytes) -> Manifest:
    """Puts `data` in the place of the index, and a manifest that has its hash."""
    (directory / INDEX_NAME).write_bytes(data)
    manifest = load_manifest(directory)
    metadata = manifest.metadata | {INDEX_NAME: hashlib.sha256(data).hexdigest()}
    named = dataclasses.replace(manifest, metadata=metadata)
    write_manifest(directory, named)
    return named


def _archive(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **{name.replace("_", "/"): array for name, array in arrays.items()})
    return stream.getvalue()


def _array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.arange(18))
    return stream.getvalue()


class _Pickled:
    """Notes that it was unpickled."""

    was_loaded = False

    def __setstate__(self, state: object) -> None:
        _Pickled.was_loaded = True

    def __getstate__(self) -> object:
        return "some"


OBJECTS = np.array([_Pickled()] * 18)


@pytest.mark.parametrize(
    ("fault", "data"),
    [
        ("an index that is no archive", b"offsets"),
        ("half an archive", _archive(train_offsets=np.arange(18))[:200]),
        ("an empty index, as its manifest says", b""),
        ("an index that is one array", _array()),
        ("an index without the split", _archive(test_offsets=np.arange(6))),
        ("an index without labels", _archive(train_offsets=np.arange(18))),
        ("an index with pickles", _archive(train_offsets=OBJECTS, train_labels=OBJECTS)),
    ],
)
def test_what_is_no_index_is_refused(
    copied_set: Path, fault: str, data: bytes, note_fault: Callable
):
    happened = note_fault("damaged set", fault)
    manifest = _name(copied_set, data)
    with pytest.raises(InputError) as caught:
        load_index(ShardedDataset(copied_set, manifest), "train")
    happened(caught.value)
    message = str(caught.value)
    assert f"'{copied_set / INDEX_NAME}', which cannot be read (" in message
    assert "expected an index of the split 'train'" in message and MAKE_AGAIN in message
    assert not _Pickled.was_loaded


def test_a_manifest_without_an_index_is_refused(copied_set: Path, note_fault: Callable):
    happened = note_fault("damaged set", "a manifest that names no index")
    manifest = dataclasses.replace(load_manifest(copied_set), metadata={})
    with pytest.raises(InputError, match="which manifest.json does not name, expected") as caught:
        load_index(ShardedDataset(copied_set, manifest), "train")
    happened(caught.value)
    assert MAKE_AGAIN in str(caught.value)


def _at(position: int, value: int) -> Callable[[np.ndarray], np.ndarray]:
    """Puts `value` at `position` of an array."""
    return lambda array: np.where(np.arange(len(array)) == position, value, array)


@pytest.mark.parametrize(
    ("fault", "field", "change", "received", "expected"),
    [
        ("too few", "offsets", lambda a: a[:-1], "int64 of shape (17,)", "int64 of shape (18,)"),
        ("too few", "labels", lambda a: a[:-1], "int64 of shape (17,)", "int64 of shape (18,)"),
        ("of another type", "labels", lambda a: a * 1.0, "float64 of shape (18,)", "int64 of"),
        ("in rows", "offsets", lambda a: a[:, None], "int64 of shape (18, 1)", "shape (18,)"),
        ("of another class", "labels", lambda a: a * 0, "[18, 0, 0] records", "[6, 6, 6]"),
        ("out of range", "labels", lambda a: a + 1, "[0, 6, 6] records", "[6, 6, 6]"),
        ("below 0", "labels", lambda a: a - 1, "[6, 6, 0] records", "[6, 6, 6]"),
        ("not from 0", "offsets", _at(9, 7), f"first record of {SHARDS[1]} begins at byte 7", "0;"),
        ("that fall", "offsets", _at(5, 1), f"record 4 of {SHARDS[0]} begins at", "before 1,"),
        ("that stay", "offsets", _at(1, 0), f"record 0 of {SHARDS[0]} begins at byte 0", "fore 0,"),
        ("below 0", "offsets", _at(10, -1), f"record 0 of {SHARDS[1]} begins at byte 0", "fore -1"),
    ],
)
def test_an_index_at_odds_with_its_manifest_is_refused(
    copied_set: Path,
    fault: str,
    field: str,
    change: Callable[[np.ndarray], np.ndarray],
    received: str,
    expected: str,
    note_fault: Callable,
):
    happened = note_fault("damaged set", f"an index with {field} {fault}")
    index = load_index(open_dataset(copied_set), "train")
    arrays = {"offsets": index.offsets, "labels": index.labels}
    arrays[field] = change(arrays[field])
    data = _archive(**{f"train_{name}": array for name, array in arrays.items()})
    manifest = _name(copied_set, data)
    with pytest.raises(InputError) as caught:
        load_index(ShardedDataset(copied_set, manifest), "train")
    happened(caught.value)
    first, _, second = str(caught.value).partition(", expected ")
    assert received in first and expected in second and MAKE_AGAIN in second


@pytest.mark.parametrize("beyond", [0, 1, 2**62])
@pytest.mark.parametrize("shard", [0, 1])
def test_an_offset_beyond_its_shard_is_refused(
    copied_set: Path, shard: int, beyond: int, note_fault: Callable
):
    happened = note_fault("damaged set")
    manifest = load_manifest(copied_set)
    index = load_index(ShardedDataset(copied_set, manifest), "train")
    num_bytes = manifest.splits["train"].shards[shard].num_bytes
    offsets = _at(9 * shard + 8, num_bytes + beyond)(index.offsets)
    manifest = _name(copied_set, _archive(train_offsets=offsets, train_labels=index.labels))
    with pytest.raises(InputError) as caught:
        load_index(ShardedDataset(copied_set, manifest), "train")
    happened(caught.value)
    assert f"record 8 of {SHARDS[shard]} begins at byte {num_bytes + beyond}" in str(caught.value)
    assert f"expected a byte before {num_bytes}, where" in str(caught.value)


def test_the_last_byte_of_a_shard_is_none_beyond_it(copied_set: Path):
    manifest = load_manifest(copied_set)
    index = load_index(ShardedDataset(copied_set, manifest), "train")
    last = manifest.splits["train"].shards[1].num_bytes - 1
    offsets = _at(17, last)(index.offsets)
    manifest = _name(copied_set, _archive(train_offsets=offsets, train_labels=index.labels))
    assert load_index(ShardedDataset(copied_set, manifest), "train").offsets[-1] == last
