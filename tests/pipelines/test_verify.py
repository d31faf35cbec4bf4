import dataclasses
import gzip
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from etils import epath

from pipelines.errors import InputError
from pipelines.example import FEATURES, serialize_example
from pipelines.features import FEATURE_KINDS
from pipelines.manifest import (
    MANIFEST_NAME,
    SCHEMA_VERSION,
    Manifest,
    Shard,
    Split,
    load_manifest,
    write_manifest,
)
from pipelines.records import FRAME_BYTES, HEADER_BYTES, frame_record
from pipelines.verification import verify
from pipelines.verify import VerifyConfig, main

ROOT = Path(__file__).parents[2]
CLASS_NAMES = ("cats", "dogs", "owls")
IMAGE_SHAPE = (4, 5, 3)
IMAGE_BYTES = 60
RECORDS_PER_SHARD = 6
TRAIN_0, TRAIN_1 = (f"pets-train.tfrecord-{number:05}-of-00002" for number in range(2))
TEST = "pets-test.tfrecord-00000-of-00001"
METADATA = {"features.json": b'{"image": "jpeg"}\n', "label.labels.txt": b"cats\ndogs\nowls\n"}


def _record(number: int, **changes: object) -> bytes:
    """A record, another one for every number; its class is the number modulo that of classes."""
    values = {
        "image": np.random.default_rng(number).bytes(IMAGE_BYTES),
        "label": number % len(CLASS_NAMES),
        "file_name": f"{CLASS_NAMES[number % 3]}/{number:04}.jpg",
        "sha256": hashlib.sha256(str(number).encode()).hexdigest(),
    }
    return serialize_example(**(values | changes))


def _records(shard_number: int) -> list[bytes]:
    start = shard_number * RECORDS_PER_SHARD
    return [_record(number) for number in range(start, start + RECORDS_PER_SHARD)]


def _write_shard(directory: Path, name: str, records: Sequence[bytes]) -> Shard:
    contents = b"".join(map(frame_record, records))
    (directory / name).write_bytes(contents)
    return Shard(name, len(records), len(contents), hashlib.sha256(contents).hexdigest())


def _write_set(directory: Path, **changes: object) -> Path:
    directory.mkdir()
    shards = [
        _write_shard(directory, name, _records(n))
        for n, name in enumerate((TRAIN_0, TRAIN_1, TEST))
    ]
    for name, data in METADATA.items():
        (directory / name).write_bytes(data)
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name="pets",
        class_names=CLASS_NAMES,
        splits={
            "train": Split((4, 4, 4), tuple(shards[:2])),
            "test": Split((2, 2, 2), tuple(shards[2:])),
        },
        encoding="jpeg",
        image_shape=(None, None, 3),
        source={"kind": "folder", "num_images": 18},
        settings={"seed": 0, "test_fraction": 0.25},
        rejected=(),
        normalised={},
        remarks={},
        duplicates=(),
        metadata={name: hashlib.sha256(data).hexdigest() for name, data in METADATA.items()},
    )
    write_manifest(directory, dataclasses.replace(manifest, **changes))
    return directory


def _replace_shard(directory: Path, name: str, records: Sequence[bytes], **changes: object) -> None:
    """Writes other records under a shard's name, and a manifest that knows of them."""
    written = dataclasses.replace(_write_shard(directory, name, records), **changes)
    manifest = load_manifest(directory)
    splits = {}
    for split_name, split in manifest.splits.items():
        shards = tuple(written if shard.name == name else shard for shard in split.shards)
        splits[split_name] = dataclasses.replace(split, shards=shards)
    write_manifest(directory, dataclasses.replace(manifest, splits=splits))


def _start_of(record: int) -> int:
    """Where a record starts in the second training shard."""
    return sum(FRAME_BYTES + len(data) for data in _records(1)[:record])


def _found(directory: Path) -> list[tuple[str, int | None, str]]:
    return [dataclasses.astuple(problem) for problem in verify(directory, progress=False).problems]


def _told(found: Sequence[tuple[str, int | None, str]]) -> str:
    """The first finding, of those in a record if there are some; and how many more there are."""
    if not found:
        return "nothing is found"
    file, record, problem = max(found, key=lambda problem: problem[1] is not None)
    where = file if record is None else f"{file} record {record}"
    more = f" (+{len(found) - 1})" if found[1:] else ""
    return f"{where}{more}: {problem}"


@pytest.fixture
def find(note_fault: Callable) -> Callable[..., list[tuple[str, int | None, str]]]:
    """What is found in a damaged set: file, record, problem; a row of the table of faults.

    The fault is called `fault`, else as the test.
    """

    def find(directory: Path, fault: str = "") -> list[tuple[str, int | None, str]]:
        happened = note_fault("damaged set", fault)
        found = _found(directory)
        happened(_told(found))
        return found

    return find


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """A finished set: two shards for training and one for the test, of six records each."""
    return _write_set(tmp_path / "pets")


def test_a_good_set_passes(pets: Path):
    found = verify(pets)
    assert found.problems == ()
    assert (found.num_shards, found.num_records) == (3, 18)
    assert found.num_bytes == sum(path.stat().st_size for path in pets.glob("*.tfrecord*"))
    assert found.manifest == load_manifest(pets)


def test_what_the_conversion_writes_passes(data_dir: Path):
    found = verify(str(data_dir))
    assert found.problems == ()
    assert found.num_records == 24


def test_features_are_those_of_the_record():
    kinds = {tf.string: "bytes_list", tf.int64: "int64_list"}
    assert FEATURE_KINDS == {name: kinds[spec.dtype] for name, spec in FEATURES.items()}


# Frames


@pytest.mark.parametrize("record", [0, 3, 5])
@pytest.mark.parametrize("bit", [0, 7])
def test_a_flipped_bit_in_every_byte_of_a_record(pets: Path, record: int, bit: int, find: Callable):
    path = pets / TRAIN_1
    whole = path.read_bytes()
    size = FRAME_BYTES + len(_records(1)[record])
    for offset in range(size):
        damaged = bytearray(whole)
        damaged[_start_of(record) + offset] ^= 1 << bit
        path.write_bytes(damaged)
        if offset < HEADER_BYTES:
            problem = "its length does not agree with its checksum; no record after it is found"
        else:
            problem = "its data does not agree with its checksum"
        fault = f"a flipped bit in a record's {'length' if offset < HEADER_BYTES else 'data'}"
        assert find(pets, fault) == [(TRAIN_1, record, problem)]


def test_all_damaged_records_are_named(pets: Path):
    damaged = bytearray((pets / TRAIN_1).read_bytes())
    for record in (1, 2, 4):
        damaged[_start_of(record) + HEADER_BYTES] ^= 16
    (pets / TRAIN_1).write_bytes(damaged)
    found = verify(pets, progress=False)
    assert [(problem.file, problem.record) for problem in found.problems] == [
        (TRAIN_1, 1),
        (TRAIN_1, 2),
        (TRAIN_1, 4),
    ]
    assert found.num_records == 15


@pytest.mark.parametrize(
    ("kept", "problem"),
    [
        (1, "its header is cut: 1 of 12 bytes"),
        (11, "its header is cut: 11 of 12 bytes"),
        (12, "it is cut: 0 of "),
        (40, "it is cut: 28 of "),
        (FRAME_BYTES + len(_records(1)[4]) - 1, "it is cut: "),
    ],
)
def test_a_cut_in_a_record(pets: Path, kept: int, problem: str, find: Callable):
    size = (pets / TRAIN_1).stat().st_size
    os.truncate(pets / TRAIN_1, _start_of(4) + kept)
    fault = f"a cut in a {'header' if kept < HEADER_BYTES else 'record'}"
    whole_shard, in_record = find(pets, fault)
    assert whole_shard == (
        TRAIN_1,
        None,
        f"it has {_start_of(4) + kept:,} bytes, expected {size:,}",
    )
    assert in_record[:2] == (TRAIN_1, 4) and in_record[2].startswith(problem)


@pytest.mark.parametrize("record", [1, 5])
def test_a_cut_at_the_end_of_a_record(pets: Path, record: int, find: Callable):
    os.truncate(pets / TRAIN_1, _start_of(record))
    size, bytes_differ, missing = find(pets)
    assert size[:2] == (TRAIN_1, None) and f"it has {_start_of(record):,} bytes" in size[2]
    assert "its bytes are not those that were written" in bytes_differ[2]
    problem = f"it is missing: the shard has {record} of 6 records"
    assert missing == (TRAIN_1, record, problem)


def test_a_record_too_many(pets: Path, find: Callable):
    with open(pets / TEST, "ab") as stream:
        stream.write(frame_record(_record(100)) * 2)
    found = find(pets)
    assert (TEST, 6, "it is too much: the shard has 8 records, not 6") in found
    assert found[-1][:2] == (TEST, 7) and "its file_name" in found[-1][2]


def test_a_change_that_no_frame_shows(pets: Path, find: Callable):
    changed = _records(1)
    changed[2] = _record(RECORDS_PER_SHARD + 2, image=b"x" * IMAGE_BYTES)
    was = load_manifest(pets).splits["train"].shards[1].sha256
    now = _write_shard(pets, TRAIN_1, changed).sha256
    problem = f"its bytes are not those that were written: SHA-256 {now}, expected {was}"
    assert find(pets) == [(TRAIN_1, None, problem)]


# Shards


def test_an_empty_shard(pets: Path, find: Callable):
    size = (pets / TRAIN_0).stat().st_size
    (pets / TRAIN_0).write_bytes(b"")
    assert find(pets) == [(TRAIN_0, None, f"it is empty, expected {size:,} bytes")]


def test_a_missing_shard(pets: Path, find: Callable):
    (pets / TEST).unlink()
    assert find(pets) == [(TEST, None, "it is missing")]


def test_what_cannot_be_read(pets: Path, find: Callable):
    (pets / TEST).unlink()
    (pets / TEST).mkdir()
    (pets / "features.json").unlink()
    (pets / "features.json").mkdir()
    assert find(pets, "a shard and metadata that are folders") == [
        (TEST, None, "it cannot be read (Is a directory)"),
        ("features.json", None, "it cannot be read (Is a directory)"),
    ]


def test_a_shard_of_another_set(pets: Path, find: Callable):
    _write_shard(pets, TRAIN_0, [_record(number) for number in (3, 0, 27, 24, 30)])
    found = find(pets)
    assert {problem[0] for problem in found} == {TRAIN_0}
    assert "its bytes are not those that were written" in found[1][2]
    assert found[2] == (TRAIN_0, 5, "it is missing: the shard has 5 of 6 records")


def test_a_shard_under_the_name_of_another(pets: Path, find: Callable):
    shutil.copy(pets / TRAIN_0, pets / TRAIN_1)
    whole_shard, *repeated = find(pets)
    assert "its bytes are not those that were written" in whole_shard[2]
    assert [problem[:2] for problem in repeated] == [(TRAIN_1, n) for n in range(6)]


@pytest.mark.parametrize("name", ["pets-train.tfrecord-00002-of-00003", "notes.txt", "\udcff\n"])
def test_a_file_too_many(pets: Path, name: str, find: Callable):
    (pets / name).write_bytes((pets / TRAIN_0).read_bytes())
    assert find(pets) == [
        (name, None, "it is not of this set: manifest.json does not name it"),
    ]


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda data: data, "compressed with gzip, whole"),
        (lambda data: data[:-1], "compressed with gzip, and cut"),
        (lambda data: data[: len(data) // 2], "compressed with gzip, and cut"),
        (lambda data: data[:5], "compressed with gzip, and cut"),
        (lambda data: data[:20] + b"\xff" * 20 + data[40:], "compressed with gzip, and damaged"),
        (lambda data: data[:-8] + bytes(8), "compressed with gzip, and damaged"),
    ],
)
def test_a_compressed_shard(
    pets: Path, change: Callable[[bytes], bytes], state: str, find: Callable
):
    compressed = gzip.compress((pets / TRAIN_1).read_bytes())
    (pets / TRAIN_1).write_bytes(change(compressed))
    problem = f"it is {state}, expected a shard that is not compressed"
    assert find(pets, f"a shard {state}") == [(TRAIN_1, None, problem)]


def test_a_record_as_long_as_gzips_magic_number_says(pets: Path):
    length = int.from_bytes(b"\x1f\x8b\x08", "little")
    empty = len(_record(0, image=b""))
    image = bytes(length - empty - (len(_record(0, image=bytes(length))) - length - empty))
    records = [_record(0, image=image), *_records(0)[1:]]
    assert frame_record(records[0]).startswith(b"\x1f\x8b\x08")
    _replace_shard(pets, TRAIN_0, records)
    assert _found(pets) == []


# Manifest


def _removed(pets: Path) -> None:
    (pets / MANIFEST_NAME).unlink()


def _unreadable(pets: Path) -> None:
    (pets / MANIFEST_NAME).write_bytes(b"\xff\xfe")


def _cut(pets: Path) -> None:
    os.truncate(pets / MANIFEST_NAME, 300)


def _newer(pets: Path) -> None:
    _edit(pets, f'"schema_version": {SCHEMA_VERSION}', f'"schema_version": {SCHEMA_VERSION + 1}')


def _at_odds_with_itself(pets: Path) -> None:
    _edit(pets, '"num_images": 18', '"num_images": 19')


def _infinite(pets: Path) -> None:
    _edit(pets, '"num_examples": 6', '"num_examples": 1e999')


def _deep(pets: Path) -> None:
    (pets / MANIFEST_NAME).write_text("[" * 100_000)


def _edit(pets: Path, old: str, new: str) -> None:
    text = (pets / MANIFEST_NAME).read_text()
    assert old in text
    (pets / MANIFEST_NAME).write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("fault", "damage", "problem"),
    [
        ("that is missing, as is its directory", shutil.rmtree, "which does not exist"),
        ("that is missing", _removed, "without a manifest.json"),
        ("that is no UTF-8", _unreadable, "cannot be read"),
        ("that is cut", _cut, "cannot be read"),
        ("of a newer schema", _newer, "update this program"),
        ("at odds with itself", _at_odds_with_itself, "does not agree with its own checksum"),
        ("with an infinite number", _infinite, "infinity"),
        ("nested too deep", _deep, "cannot be read"),
    ],
)
def test_a_manifest_that_cannot_be_loaded(
    pets: Path, fault: str, damage: Callable[[Path], None], problem: str, note_fault: Callable
):
    happened = note_fault("damaged set", f"a manifest {fault}")
    damage(pets)
    found = verify(pets)
    happened(InputError(found.problems[0].problem))
    assert (found.manifest, found.num_shards, found.num_records) == (None, 0, 0)
    ((file, record, text),) = map(dataclasses.astuple, found.problems)
    assert (file, record) == (MANIFEST_NAME, None)
    assert problem in text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  ", "   "),
        ("}\n", "}"),
        ('"name": "pets",', '"name": "pets", "name": "pets",'),
        ('"test_fraction": 0.25', '"test_fraction": 0.250'),
    ],
)
def test_a_manifest_of_the_same_meaning_in_other_bytes(
    pets: Path, old: str, new: str, find: Callable
):
    _edit(pets, old, new)
    assert find(pets) == [(MANIFEST_NAME, None, "its bytes are not those that were written")]


@pytest.mark.parametrize(
    ("changes", "record", "problem"),
    [
        ({"num_bytes": 5}, None, "bytes, expected 5"),
        ({"sha256": "ab"}, None, "its bytes are not those that were written"),
    ],
)
def test_a_manifest_at_odds_with_a_shard(
    pets: Path, changes: dict[str, object], record: int | None, problem: str, find: Callable
):
    _replace_shard(pets, TRAIN_1, _records(1), **changes)
    (found,) = find(pets)
    assert found[:2] == (TRAIN_1, record) and problem in found[2]


def _with_split(pets: Path, **changes: object) -> None:
    manifest = load_manifest(pets)
    train = dataclasses.replace(manifest.splits["train"], **changes)
    splits = {**manifest.splits, "train": train}
    write_manifest(pets, dataclasses.replace(manifest, splits=splits))


def test_counts_of_shards_at_odds_with_the_shards(pets: Path, find: Callable):
    first, second = load_manifest(pets).splits["train"].shards
    changed = (
        dataclasses.replace(first, num_examples=5),
        dataclasses.replace(second, num_examples=7),
    )
    _with_split(pets, shards=changed)
    assert find(pets) == [
        (TRAIN_0, 5, "it is too much: the shard has 6 records, not 5"),
        (TRAIN_1, 6, "it is missing: the shard has 6 of 7 records"),
    ]


def test_counts_of_classes_at_odds_with_the_shards(pets: Path, find: Callable):
    _with_split(pets, class_counts=(5, 4, 3))
    problem = "it gives the class {!r} {} records in the split 'train', and its shards hold 4"
    assert find(pets) == [
        (MANIFEST_NAME, None, problem.format("cats", 5)),
        (MANIFEST_NAME, None, problem.format("owls", 3)),
    ]


def test_an_encoding_that_is_not_known(tmp_path: Path, find: Callable):
    pets = _write_set(tmp_path / "pets", encoding="bmp")
    assert find(pets) == [
        (MANIFEST_NAME, None, "its encoding is 'bmp', expected jpeg or raw"),
    ]


# Records


@pytest.mark.parametrize("label", [-1, 3, 2**62])
def test_a_label_out_of_range(pets: Path, label: int, find: Callable):
    records = _records(1)
    records[4] = _record(RECORDS_PER_SHARD + 4, label=label)
    _replace_shard(pets, TRAIN_1, records)
    assert find(pets) == [(TRAIN_1, 4, f"its label is {label}, expected 0 to 2")]


def _with_feature(name: str, feature: tf.train.Feature | None) -> bytes:
    example = tf.train.Example.FromString(_record(RECORDS_PER_SHARD + 1))
    del example.features.feature[name]
    if feature is not None:
        example.features.feature[name].CopyFrom(feature)
    return example.SerializeToString()


_FLOATS = tf.train.Feature(float_list=tf.train.FloatList(value=[1.0]))
_TWO_INTEGERS = tf.train.Feature(int64_list=tf.train.Int64List(value=[1, 2]))
_NO_BYTES = tf.train.Feature(bytes_list=tf.train.BytesList())


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize(
    ("fault", "feature", "problem"),
    [
        ("a missing feature", None, "it lacks the feature {!r}"),
        ("a feature without a type", tf.train.Feature(), "its feature {!r} is of the type None"),
        ("a feature of another type", _FLOATS, "its feature {!r} is of the type float_list"),
    ],
)
def test_a_feature_that_is_missing_or_of_another_type(
    pets: Path,
    name: str,
    fault: str,
    feature: tf.train.Feature | None,
    problem: str,
    find: Callable,
):
    records = _records(1)
    records[1] = _with_feature(name, feature)
    _replace_shard(pets, TRAIN_1, records)
    (found,) = find(pets, fault)
    assert found[:2] == (TRAIN_1, 1) and problem.format(name) in found[2]


@pytest.mark.parametrize(
    ("name", "feature", "count"), [("label", _TWO_INTEGERS, 2), ("image", _NO_BYTES, 0)]
)
def test_a_feature_of_another_number_of_values(
    pets: Path, name: str, feature: tf.train.Feature, count: int, find: Callable
):
    records = _records(1)
    records[1] = _with_feature(name, feature)
    _replace_shard(pets, TRAIN_1, records)
    problem = f"its feature {name!r} has {count} values, expected one"
    assert find(pets) == [(TRAIN_1, 1, problem)]


def test_a_record_that_is_no_example(pets: Path, find: Callable):
    records = _records(1)
    records[0] = b"no example"
    records[2] = b""
    _replace_shard(pets, TRAIN_1, records)
    assert find(pets) == [
        (TRAIN_1, 0, "it is no tf.train.Example"),
        *((TRAIN_1, 2, f"it lacks the feature {name!r}") for name in FEATURES),
    ]


@pytest.mark.parametrize("size", [0, IMAGE_BYTES - 1, IMAGE_BYTES + 1])
def test_a_raw_image_of_another_size(tmp_path: Path, size: int, find: Callable):
    pets = _write_set(tmp_path / "pets", encoding="raw", image_shape=IMAGE_SHAPE)
    assert _found(pets) == []
    records = _records(1)
    records[3] = _record(RECORDS_PER_SHARD + 3, image=bytes(size))
    _replace_shard(pets, TRAIN_1, records)
    problem = f"its image has {size} bytes, expected {IMAGE_BYTES}"
    assert find(pets) == [(TRAIN_1, 3, problem)]


def test_file_names_that_occur_twice(pets: Path, find: Callable):
    names = [f"cats/ü {number}.jpg" for number in range(2)]
    train, test = _records(1), _records(2)
    train[1] = _record(RECORDS_PER_SHARD + 1, file_name=names[0])
    train[4] = _record(RECORDS_PER_SHARD + 4, file_name=names[1])
    train[5] = _record(RECORDS_PER_SHARD + 5, file_name=names[1])
    test[0] = _record(2 * RECORDS_PER_SHARD, file_name=names[0])
    _replace_shard(pets, TRAIN_1, train)
    _replace_shard(pets, TEST, test)
    assert find(pets) == [
        (TRAIN_1, 5, f"its file_name {names[1]!r} is also that of record 4 of {TRAIN_1}"),
        (TEST, 0, f"its file_name {names[0]!r} is also that of record 1 of {TRAIN_1}"),
    ]


def test_equal_hashes_of_names_that_differ_are_no_finding(
    pets: Path, monkeypatch: pytest.MonkeyPatch
):
    for module in ("shard_check", "verification"):
        monkeypatch.setattr(f"pipelines.{module}.hash", lambda name: 7, raising=False)
    assert _found(pets) == []


# Metadata of TensorFlow Datasets


def test_metadata_missing_or_changed(pets: Path, find: Callable):
    (pets / "features.json").unlink()
    (pets / "label.labels.txt").write_bytes(b"dogs\ncats\nowls\n")
    missing, changed = find(pets)
    assert missing == ("features.json", None, "it is missing")
    assert changed[0] == "label.labels.txt" and "it is not as it was written" in changed[2]


# All together


def test_problems_come_in_the_order_of_the_manifest(pets: Path):
    (pets / "aaa").write_bytes(b"")
    (pets / "zzz").write_bytes(b"")
    (pets / "features.json").write_bytes(b"")
    _edit(pets, "  ", "   ")
    for name in (TEST, TRAIN_1):
        damaged = bytearray((pets / name).read_bytes())
        damaged[HEADER_BYTES] ^= 1
        damaged[-1] ^= 1
        (pets / name).write_bytes(damaged)
    (pets / TRAIN_0).unlink()
    expected = [
        (MANIFEST_NAME, None),
        (TRAIN_0, None),
        (TRAIN_1, 0),
        (TRAIN_1, 5),
        (TEST, 0),
        (TEST, 5),
        ("features.json", None),
        ("aaa", None),
        ("zzz", None),
    ]
    for _ in range(3):
        assert [problem[:2] for problem in _found(pets)] == expected


def _mutated(data: bytes, rng: random.Random) -> bytes:
    """`data` with one byte changed, cut, or with a range of it deleted or doubled."""
    start = rng.randrange(len(data))
    stop = rng.randint(start + 1, min(len(data), start + rng.choice([1, 10, 1000])))
    return {
        "flip": data[:start] + bytes([data[start] ^ rng.randrange(1, 256)]) + data[start + 1 :],
        "cut": data[:start],
        "delete": data[:start] + data[stop:],
        "double": data[:stop] + data[start:],
    }[rng.choice(["flip", "flip", "cut", "delete", "double"])]


MUTATIONS = 500


def _num_silent(directory: Path, seed: int, note_fault: Callable) -> int:
    """Damages the set's files at random, one at a time; how many times nothing is found in it."""
    happened = note_fault("damaged set", f"{MUTATIONS} random mutations of the files of a set")
    rng = random.Random(seed)
    names = sorted(os.listdir(directory))
    found = 0
    for _ in range(MUTATIONS):
        path = directory / rng.choice(names)
        whole = path.read_bytes()
        path.write_bytes(_mutated(whole, rng))
        found += path.name in {problem[0] for problem in _found(directory)}
        path.write_bytes(whole)
    happened(f"{found} found, each in its file")
    return MUTATIONS - found


@pytest.mark.parametrize("seed", range(4))
def test_no_random_damage_is_silent(pets: Path, seed: int, note_fault: Callable):
    assert {MANIFEST_NAME, TRAIN_0, TRAIN_1, TEST, *METADATA} == set(os.listdir(pets))
    assert _num_silent(pets, seed, note_fault) == 0
    assert _found(pets) == []


def test_no_random_damage_to_a_converted_set_is_silent(
    data_dir: Path, tmp_path: Path, note_fault: Callable
):
    copy = Path(shutil.copytree(data_dir, tmp_path / "copy"))
    assert _num_silent(copy, 0, note_fault) == 0
    assert _found(copy) == []


def test_memory_does_not_grow_with_a_shard(pets: Path):
    small, large = (
        _write_shard(pets, name, [_record(n, image=bytes(size)) for n in numbers])
        for name, size, numbers in (
            (TRAIN_0, IMAGE_BYTES, range(6)),
            (TRAIN_1, 100_000, range(100, 400)),
        )
    )
    _with_split(pets, shards=(small, large), class_counts=(102, 102, 102))
    tracemalloc.start()
    try:
        found = verify(pets, progress=False)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (found.num_records, found.problems) == (312, ())
    assert found.num_bytes > 30e6 and peak < 8e6


def test_streams_of_remote_files_do(pets: Path, monkeypatch: pytest.MonkeyPatch):
    # TensorFlow's can do less than Python's, and are what `epath` opens gs:// with if told to.
    def open_remote(path: epath.Path, mode: str, **options: object) -> tf.io.gfile.GFile:
        opened.append(path.name)
        return tf.io.gfile.GFile(os.fspath(path), mode)

    opened: list[str] = []
    damaged = bytearray((pets / TRAIN_1).read_bytes())
    damaged[_start_of(2) + HEADER_BYTES] ^= 1
    (pets / TRAIN_1).write_bytes(damaged)
    monkeypatch.setattr(type(epath.Path("/")), "open", open_remote)
    assert _found(pets) == [(TRAIN_1, 2, "its data does not agree with its checksum")]
    assert {TRAIN_0, TRAIN_1, TEST} <= set(opened)


# The command


def _run(*flags: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "pipelines.verify", *flags]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_the_command_on_a_good_set(pets: Path, tmp_path: Path):
    flags = (f"--data_dir={pets}", f"--json={tmp_path / 'found.json'}")
    status, output, errors = _run(*flags)
    assert (status, errors) == (0, "")
    size = sum(path.stat().st_size for path in pets.glob("*.tfrecord*"))
    summary = f"pets in {pets}: 3 shards, 18 records, {size / 1e6:.1f} MB: all as written.\n"
    assert output == summary
    assert json.loads((tmp_path / "found.json").read_text()) == {
        "data_dir": str(pets),
        "name": "pets",
        "shards": 3,
        "records": 18,
        "bytes": size,
        "problems": [],
    }


def test_the_command_on_a_damaged_set(pets: Path, tmp_path: Path, note_fault: Callable):
    happened = note_fault("damaged set")
    damaged = bytearray((pets / TRAIN_1).read_bytes())
    damaged[_start_of(2) + 40] ^= 1
    (pets / TRAIN_1).write_bytes(damaged)
    (pets / "a\udcffb").write_bytes(b"")
    flags = (f"--data_dir={pets}", f"--json={tmp_path / 'found.json'}")
    status, output, errors = _run(*flags)
    happened(f"status {status}, {len(output.splitlines()) - 1} findings listed")
    assert status == 1
    header, record, other = output.splitlines()
    assert header.split() == ["file", "record", "problem"]
    problem = "its data does not agree with its checksum"
    assert record.split(maxsplit=2) == [TRAIN_1, "2", problem]
    assert other.split(maxsplit=2)[:2] == [r"'a\udcffb'", "-"]
    assert record.index(problem) == header.index("problem") == other.index("it is not")
    (error,) = errors.splitlines()
    assert f"received {str(pets)!r} with 2 problems, expected a set as it was written" in error
    assert "--overwrite" in error
    document = json.loads((tmp_path / "found.json").read_text())
    assert document["problems"][0] == {"file": TRAIN_1, "record": 2, "problem": problem}
    assert (document["records"], len(document["problems"])) == (17, 2)


def test_the_command_without_a_set(tmp_path: Path):
    status, output, errors = _run(f"--data_dir={tmp_path / 'nowhere'}")
    assert (status, output) == (1, "")
    assert "where there is no directory, expected" in errors and len(errors.splitlines()) == 1
    (tmp_path / "empty").mkdir()
    flags = (f"--data_dir={tmp_path / 'empty'}", f"--json={tmp_path / 'found.json'}")
    status, output, errors = _run(*flags)
    assert status == 1
    assert output.splitlines()[1].split()[:2] == [MANIFEST_NAME, "-"]
    assert f"without a {MANIFEST_NAME}" in output and "with 1 problem, expected" in errors
    document = json.loads((tmp_path / "found.json").read_text())
    assert (document["name"], document["shards"], len(document["problems"])) == (None, 0, 1)


def test_the_command_needs_no_tensorflow(
    pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "tensorflow.py").write_text("raise RuntimeError('imported')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    status, output, errors = _run(f"--data_dir={pets}")
    assert (status, errors) == (0, "") and "all as written" in output


@pytest.mark.parametrize(
    ("path", "problem"), [("nowhere/found.json", "No such file"), ("pets/found.json", "lies in")]
)
def test_findings_that_cannot_be_written(
    pets: Path, path: str, problem: str, capsys: pytest.CaptureFixture[str]
):
    before = sorted(os.listdir(pets))
    with pytest.raises(InputError, match=rf"received --json=.*{problem}"):
        main(VerifyConfig(data_dir=str(pets), json=str(pets.parent / path)))
    assert capsys.readouterr().out == ""
    assert sorted(os.listdir(pets)) == before


def test_a_problem_is_one_line(capsys: pytest.CaptureFixture[str], pets: Path):
    _replace_shard(pets, TEST, [_record(n, file_name="a\nb") for n in range(6)])
    with pytest.raises(InputError, match="with 5 problems"):
        main(VerifyConfig(data_dir=str(pets)))
    assert len(capsys.readouterr().out.splitlines()) == 6
    nowhere = pets / "no\nwhere"
    nowhere.mkdir()
    with pytest.raises(InputError, match="with 1 problem,"):
        main(VerifyConfig(data_dir=str(nowhere)))
    assert len(capsys.readouterr().out.splitlines()) == 2
