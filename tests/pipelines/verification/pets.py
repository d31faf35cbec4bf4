"""A small set of which every byte is known, and what is found in it when it is damaged."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipelines.tfrecords.index import write_index
from pipelines.tfrecords.manifest import (
    MANIFEST_NAME,
    SCHEMA_VERSION,
    Manifest,
    Shard,
    Split,
    load_manifest,
    write_manifest,
)
from pipelines.tfrecords.record import FRAME_BYTES, frame_record, serialize_example
from pipelines.tfrecords.verification import verify
from pipelines.tfrecords.writer import PlannedShard, make_indices

CLASS_NAMES = ("cats", "dogs", "owls")
IMAGE_SHAPE = (4, 5, 3)
IMAGE_BYTES = 60
RECORDS_PER_SHARD = 6
TRAIN_0, TRAIN_1 = (f"pets-train.tfrecord-{number:05}-of-00002" for number in range(2))
TEST = "pets-test.tfrecord-00000-of-00001"
METADATA = {"features.json": b'{"image": "jpeg"}\n', "label.labels.txt": b"cats\ndogs\nowls\n"}


def make_record(number: int, **changes: object) -> bytes:
    """A record, another one for every number; its class is the number modulo that of classes."""
    values = {
        "image": np.random.default_rng(number).bytes(IMAGE_BYTES),
        "label": number % len(CLASS_NAMES),
        "file_name": f"{CLASS_NAMES[number % 3]}/{number:04}.jpg",
        "sha256": hashlib.sha256(str(number).encode()).hexdigest(),
    }
    return serialize_example(**(values | changes))


def records_of(shard_number: int) -> list[bytes]:
    start = shard_number * RECORDS_PER_SHARD
    return [make_record(number) for number in range(start, start + RECORDS_PER_SHARD)]


def write_shard(directory: Path, name: str, records: Sequence[bytes]) -> Shard:
    contents = b"".join(map(frame_record, records))
    (directory / name).write_bytes(contents)
    return Shard(name, len(records), len(contents), hashlib.sha256(contents).hexdigest())


def write_index_of(directory: Path) -> dict[str, str]:
    names = (("train", TRAIN_0), ("train", TRAIN_1), ("test", TEST))
    numbers = np.arange(len(names) * RECORDS_PER_SHARD)
    plan = [
        PlannedShard(split, name, tuple(of_shard))
        for (split, name), of_shard in zip(names, np.split(numbers, len(names)), strict=True)
    ]
    sizes = [FRAME_BYTES + len(make_record(number)) for number in numbers]
    return write_index(directory, make_indices(plan, sizes, numbers % len(CLASS_NAMES)))


def write_set(directory: Path, **changes: object) -> Path:
    directory.mkdir()
    shards = [
        write_shard(directory, name, records_of(n))
        for n, name in enumerate((TRAIN_0, TRAIN_1, TEST))
    ]
    for name, data in METADATA.items():
        (directory / name).write_bytes(data)
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in METADATA.items()}
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
        metadata=hashes | write_index_of(directory),
    )
    write_manifest(directory, dataclasses.replace(manifest, **changes))
    return directory


def replace_shard(directory: Path, name: str, records: Sequence[bytes], **changes: object) -> None:
    """Writes other records under a shard's name, and a manifest that knows of them."""
    written = dataclasses.replace(write_shard(directory, name, records), **changes)
    manifest = load_manifest(directory)
    splits = {}
    for split_name, split in manifest.splits.items():
        shards = tuple(written if shard.name == name else shard for shard in split.shards)
        splits[split_name] = dataclasses.replace(split, shards=shards)
    write_manifest(directory, dataclasses.replace(manifest, splits=splits))


def start_of(record: int) -> int:
    """Where a record starts in the second training shard."""
    return sum(FRAME_BYTES + len(data) for data in records_of(1)[:record])


def found_in(directory: Path) -> list[tuple[str, int | None, str]]:
    return [dataclasses.astuple(problem) for problem in verify(directory, progress=False).problems]


def told(found: Sequence[tuple[str, int | None, str]]) -> str:
    """The first finding, of those in a record if there are some; and how many more there are."""
    if not found:
        return "nothing is found"
    file, record, problem = max(found, key=lambda problem: problem[1] is not None)
    where = file if record is None else f"{file} record {record}"
    more = f" (+{len(found) - 1})" if found[1:] else ""
    return f"{where}{more}: {problem}"


def edit_manifest(pets: Path, old: str, new: str) -> None:
    text = (pets / MANIFEST_NAME).read_text()
    assert old in text
    (pets / MANIFEST_NAME).write_text(text.replace(old, new, 1))


def change_split(pets: Path, **changes: object) -> None:
    manifest = load_manifest(pets)
    train = dataclasses.replace(manifest.splits["train"], **changes)
    splits = {**manifest.splits, "train": train}
    write_manifest(pets, dataclasses.replace(manifest, splits=splits))
