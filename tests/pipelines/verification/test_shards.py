import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.tfrecords.manifest import load_manifest
from pipelines.tfrecords.record import FRAME_BYTES, HEADER_BYTES, frame_record
from pipelines.tfrecords.verification import verify
from tests.pipelines.verification.pets import (
    IMAGE_BYTES,
    RECORDS_PER_SHARD,
    TEST,
    TRAIN_0,
    TRAIN_1,
    found_in,
    make_record,
    records_of,
    replace_shard,
    start_of,
    write_shard,
)


@pytest.mark.parametrize("record", [0, 3, 5])
@pytest.mark.parametrize("bit", [0, 7])
def test_a_flipped_bit_in_every_byte_of_a_record(pets: Path, record: int, bit: int, find: Callable):
    path = pets / TRAIN_1
    whole = path.read_bytes()
    size = FRAME_BYTES + len(records_of(1)[record])
    for offset in range(size):
        damaged = bytearray(whole)
        damaged[start_of(record) + offset] ^= 1 << bit
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
        damaged[start_of(record) + HEADER_BYTES] ^= 16
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
        (FRAME_BYTES + len(records_of(1)[4]) - 1, "it is cut: "),
    ],
)
def test_a_cut_in_a_record(pets: Path, kept: int, problem: str, find: Callable):
    size = (pets / TRAIN_1).stat().st_size
    os.truncate(pets / TRAIN_1, start_of(4) + kept)
    fault = f"a cut in a {'header' if kept < HEADER_BYTES else 'record'}"
    whole_shard, in_record = find(pets, fault)
    assert whole_shard == (
        TRAIN_1,
        None,
        f"it has {start_of(4) + kept:,} bytes, expected {size:,}",
    )
    assert in_record[:2] == (TRAIN_1, 4) and in_record[2].startswith(problem)


@pytest.mark.parametrize("record", [1, 5])
def test_a_cut_at_the_end_of_a_record(pets: Path, record: int, find: Callable):
    os.truncate(pets / TRAIN_1, start_of(record))
    size, bytes_differ, missing = find(pets)
    assert size[:2] == (TRAIN_1, None) and f"it has {start_of(record):,} bytes" in size[2]
    assert "its bytes are not those that were written" in bytes_differ[2]
    problem = f"it is missing: the shard has {record} of 6 records"
    assert missing == (TRAIN_1, record, problem)


def test_a_record_too_many(pets: Path, find: Callable):
    with open(pets / TEST, "ab") as stream:
        stream.write(frame_record(make_record(100)) * 2)
    found = find(pets)
    assert (TEST, 6, "it is too much: the shard has 8 records, not 6") in found
    assert found[-1][:2] == (TEST, 7) and "its file_name" in found[-1][2]


def test_a_change_that_no_frame_shows(pets: Path, find: Callable):
    changed = records_of(1)
    changed[2] = make_record(RECORDS_PER_SHARD + 2, image=b"x" * IMAGE_BYTES)
    was = load_manifest(pets).splits["train"].shards[1].sha256
    now = write_shard(pets, TRAIN_1, changed).sha256
    problem = f"its bytes are not those that were written: SHA-256 {now}, expected {was}"
    assert find(pets) == [(TRAIN_1, None, problem)]


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
    write_shard(pets, TRAIN_0, [make_record(number) for number in (3, 0, 27, 24, 30)])
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
    empty = len(make_record(0, image=b""))
    image = bytes(length - empty - (len(make_record(0, image=bytes(length))) - length - empty))
    records = [make_record(0, image=image), *records_of(0)[1:]]
    assert frame_record(records[0]).startswith(b"\x1f\x8b\x08")
    replace_shard(pets, TRAIN_0, records)
    assert found_in(pets) == []
