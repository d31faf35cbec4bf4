import os
import tracemalloc
from pathlib import Path

import pytest
import tensorflow as tf
from etils import epath

from pipelines.tfrecords.index import load_index
from pipelines.tfrecords.manifest import (
    MANIFEST_NAME,
    ShardedDataset,
    check_shards,
    load_manifest,
    open_dataset,
)
from pipelines.tfrecords.reader import picked_examples
from pipelines.tfrecords.record import HEADER_BYTES
from pipelines.tfrecords.verification import verify
from tests.pipelines.verification.pets import (
    IMAGE_BYTES,
    TEST,
    TRAIN_0,
    TRAIN_1,
    change_split,
    edit_manifest,
    found_in,
    make_record,
    start_of,
    write_shard,
)


def test_a_good_set_passes(pets: Path):
    found = verify(pets)
    assert found.problems == ()
    assert (found.num_shards, found.num_records) == (3, 18)
    assert found.num_bytes == sum(path.stat().st_size for path in pets.glob("*.tfrecord*"))
    assert found.manifest == load_manifest(pets)
    indices = [
        load_index(ShardedDataset(pets, found.manifest), split) for split in ("train", "test")
    ]
    assert [len(index.offsets) for index in indices] == [12, 6]


def test_what_the_conversion_writes_passes(data_dir: Path):
    found = verify(str(data_dir))
    assert found.problems == ()
    assert found.num_records == 24


def test_problems_come_in_the_order_of_the_manifest(pets: Path):
    (pets / "aaa").write_bytes(b"")
    (pets / "zzz").write_bytes(b"")
    (pets / "features.json").write_bytes(b"")
    edit_manifest(pets, "  ", "   ")
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
        assert [problem[:2] for problem in found_in(pets)] == expected


def test_memory_does_not_grow_with_a_shard(pets: Path):
    small, large = (
        write_shard(pets, name, [make_record(n, image=bytes(size)) for n in numbers])
        for name, size, numbers in (
            (TRAIN_0, IMAGE_BYTES, range(6)),
            (TRAIN_1, 100_000, range(100, 400)),
        )
    )
    change_split(pets, shards=(small, large), class_counts=(102, 102, 102))
    tracemalloc.start()
    try:
        found = verify(pets, progress=False)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (found.num_records, found.problems) == (312, ())
    assert found.num_bytes > 30e6 and peak < 8e6


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what was opened, with TensorFlow's streams, which can do less than Python's.

    They are what `epath` opens gs:// with if told to.
    """
    names: list[str] = []

    def open_remote(path: epath.Path, mode: str, **options: object) -> tf.io.gfile.GFile:
        names.append(path.name)
        return tf.io.gfile.GFile(os.fspath(path), mode)

    monkeypatch.setattr(type(epath.Path("/")), "open", open_remote)
    return names


def test_streams_of_remote_files_do(pets: Path, opened: list[str]):
    damaged = bytearray((pets / TRAIN_1).read_bytes())
    damaged[start_of(2) + HEADER_BYTES] ^= 1
    (pets / TRAIN_1).write_bytes(damaged)
    assert found_in(pets) == [(TRAIN_1, 2, "its data does not agree with its checksum")]
    assert {TRAIN_0, TRAIN_1, TEST} <= set(opened)


def test_records_are_picked_from_streams_of_remote_files(pets: Path, opened: list[str]):
    dataset = open_dataset(pets)
    check_shards(dataset)
    picked = picked_examples(dataset, "train", [11, 0, 7])
    assert [example.record for example in picked] == [5, 0, 1]
    assert {TRAIN_0, TRAIN_1} <= set(opened)
