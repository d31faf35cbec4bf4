import io
import itertools
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipelines.conversion.convert import convert
from pipelines.sources import open_source
from pipelines.tfrecords.index import (
    INDEX_NAME,
    RecordIndex,
    load_index,
    write_index,
)
from pipelines.tfrecords.manifest import Settings, Shard, ShardedDataset, load_manifest
from pipelines.tfrecords.record import FRAME_BYTES, parse_features, read_records, scan_records
from pipelines.tfrecords.writer import PlannedShard, make_indices


def _scanned(directory: Path, shard: Shard) -> list[tuple[int, int]]:
    """Offset and label of each record of a shard, by reading it from its start."""
    contents = (directory / shard.name).read_bytes()
    records = list(scan_records(io.BytesIO(contents), len(contents)))
    ends = itertools.accumulate(FRAME_BYTES + len(record) for record in records)
    labels = [parse_features(record)["label"].int64_list.value[0] for record in records]
    return list(zip([0, *ends], labels, strict=False))


def test_the_index_follows_from_the_plan():
    plan = [
        PlannedShard("train", "a", (3, 0)),
        PlannedShard("test", "b", (1,)),
        PlannedShard("train", "c", (4, 2)),
    ]
    indices = make_indices(plan, [10, 20, 30, 40, 50], [0, 1, 2, 3, 4])
    assert {split: index.offsets.tolist() for split, index in indices.items()} == {
        "train": [0, 40, 0, 50], "test": [0],
    }  # fmt: skip
    assert {split: index.labels.tolist() for split, index in indices.items()} == {
        "train": [3, 0, 4, 2], "test": [1],
    }  # fmt: skip


@pytest.mark.parametrize("engine", ["local", "beam"])
@pytest.mark.parametrize("encoding", ["jpeg", "raw"])
def test_the_index_of_a_set_is_what_its_shards_hold(
    image_folder: Path, tmp_path: Path, encoding: str, engine: str, make_jpeg: Callable[..., bytes]
):
    (image_folder / "lines" / "a_name_that_makes_a_longer_record.jpg").write_bytes(make_jpeg(999))
    chosen = None
    if engine == "beam":
        pytest.importorskip("apache_beam", reason="Apache Beam is not installed (extra [beam])")
        from pipelines.conversion.beam_engine import BeamEngine

        chosen = BeamEngine()
    settings = Settings(shards=3, encoding=encoding, image_size=16, validation_fraction=0.25)
    source = open_source(str(image_folder))
    manifest = convert(source, settings, tmp_path / "set", engine=chosen)
    assert {name: len(split.shards) for name, split in manifest.splits.items()} == {
        "train": 3, "test": 2, "validation": 2,
    }  # fmt: skip
    for name, split in manifest.splits.items():
        index = load_index(ShardedDataset(tmp_path / "set", manifest), name)
        assert index.offsets.dtype == index.labels.dtype == np.int64
        scanned = [pair for shard in split.shards for pair in _scanned(tmp_path / "set", shard)]
        assert list(zip(index.offsets.tolist(), index.labels.tolist(), strict=True)) == scanned


def test_reading_begins_at_any_record(data_dir: Path):
    manifest = load_manifest(data_dir)
    first, second = manifest.splits["train"].shards
    contents = (data_dir / second.name).read_bytes()
    records = list(read_records(contents))
    offsets = load_index(ShardedDataset(data_dir, manifest), "train").offsets[first.num_examples :]
    for record, offset in zip(records, offsets, strict=True):
        assert next(read_records(contents[offset:])) == record


def test_the_same_indices_give_the_same_bytes_at_any_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    index = RecordIndex(np.array([0, 20, 0]), np.array([1, 0, 1]))
    written = []
    for seconds in (1e9, 1.1e9):
        with monkeypatch.context() as patched:
            patched.setattr("time.time", lambda seconds=seconds: seconds)
            hashes = write_index(tmp_path, {"train": index, "test": index})
        written.append((hashes, (tmp_path / INDEX_NAME).read_bytes()))
    assert written[0] == written[1]


def test_two_conversions_give_the_same_index(data_dir: Path, image_folder: Path, tmp_path: Path):
    convert(open_source(str(image_folder)), Settings(shards=2), tmp_path / "set")
    again = (tmp_path / "set" / INDEX_NAME).read_bytes()
    assert again == (data_dir / INDEX_NAME).read_bytes()


def test_arrays_are_stored_as_they_are(data_dir: Path):
    with zipfile.ZipFile(data_dir / INDEX_NAME) as archive:
        entries = archive.infolist()
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
    assert {entry.filename for entry in entries} == {
        "train/offsets.npy", "train/labels.npy", "test/offsets.npy", "test/labels.npy",
    }  # fmt: skip
