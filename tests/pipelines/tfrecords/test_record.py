import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from pipelines.tfrecords.record import (
    FRAME_BYTES,
    HEADER_BYTES,
    DamagedRecordError,
    frame_record,
    is_header,
    parse_features,
    read_records,
    scan_records,
    serialize_example,
)

RECORDS = [b"first", b"", b"third record", b"fourth"]
CONTENTS = b"".join(map(frame_record, RECORDS))
# Where each frame starts, and where the last one ends.
STARTS = np.cumsum([0, *(FRAME_BYTES + len(record) for record in RECORDS)]).tolist()


def _scan(contents: bytes, num_bytes: int | None = None) -> list[bytes | tuple[str, bool]]:
    size = len(contents) if num_bytes is None else num_bytes
    return [
        (str(found), found.is_last) if isinstance(found, Exception) else found
        for found in scan_records(io.BufferedReader(io.BytesIO(contents)), size)
    ]


def _flipped(offset: int) -> bytes:
    damaged = bytearray(CONTENTS)
    damaged[offset] ^= 1
    return bytes(damaged)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 12_000, 1 << 20])
def test_a_frame_is_what_tensorflow_writes(size: int, tmp_path: Path):
    data = np.random.default_rng(size).bytes(size)
    with tf.io.TFRecordWriter(str(tmp_path / "shard")) as writer:
        writer.write(data)
        writer.write(b"another")
    assert (tmp_path / "shard").read_bytes() == frame_record(data) + frame_record(b"another")


def test_tensorflow_reads_what_was_framed(tmp_path: Path):
    (tmp_path / "shard").write_bytes(CONTENTS)
    dataset = tf.data.TFRecordDataset(str(tmp_path / "shard"))
    assert list(dataset.as_numpy_iterator()) == RECORDS


def test_round_trip():
    assert list(read_records(CONTENTS)) == RECORDS
    assert list(read_records(memoryview(CONTENTS))) == RECORDS
    assert _scan(CONTENTS) == RECORDS
    assert _scan(b"") == []


def test_a_cut_between_frames_cannot_be_seen_in_the_file_alone():
    assert _scan(CONTENTS[: STARTS[2]]) == RECORDS[:2]


@pytest.mark.parametrize("length", range(1, HEADER_BYTES))
def test_a_cut_in_a_header(length: int):
    problem = f"its header is cut: {length} of 12 bytes"
    assert _scan(CONTENTS[: STARTS[2] + length]) == [*RECORDS[:2], (problem, True)]


@pytest.mark.parametrize("length", range(len(RECORDS[2]) + 4))
def test_a_cut_after_a_header(length: int):
    problem = f"it is cut: {length} of 16 bytes after its header"
    cut = CONTENTS[: STARTS[2] + HEADER_BYTES + length]
    assert _scan(cut) == [*RECORDS[:2], (problem, True)]


@pytest.mark.parametrize("offset", range(HEADER_BYTES))
def test_after_a_damaged_header_nothing_can_be_read(offset: int):
    *before, damage = _scan(_flipped(STARTS[2] + offset))
    assert before == RECORDS[:2]
    assert "length does not agree" in damage[0] and damage[1]


@pytest.mark.parametrize("offset", range(HEADER_BYTES, FRAME_BYTES + len(RECORDS[2])))
def test_after_damaged_data_the_next_record_can_be_read(offset: int):
    problem = "its data does not agree with its checksum"
    found = _scan(_flipped(STARTS[2] + offset))
    assert found == [*RECORDS[:2], (problem, False), RECORDS[3]]


def test_reading_stops_at_the_first_damage():
    records = read_records(_flipped(STARTS[1] + HEADER_BYTES))
    assert next(records) == RECORDS[0]
    with pytest.raises(DamagedRecordError, match="its data does not agree"):
        next(records)


def test_a_false_length_asks_for_no_memory():
    length = struct.pack("<Q", 1 << 62)
    header = length + frame_record(length)[-4:]
    assert is_header(header)
    problem = f"it is cut: 6 of {(1 << 62) + 4} bytes after its header"
    assert _scan(header + b"abcdef") == [(problem, True)]


def test_a_file_that_shrinks_or_grows_while_it_is_read():
    shrunk = _scan(CONTENTS[: STARTS[2]], len(CONTENTS))
    assert shrunk[-1] == ("its header is cut: 0 of 12 bytes", True)
    assert _scan(CONTENTS, STARTS[2]) == RECORDS[:2]
    assert _scan(CONTENTS, STARTS[2] + 5)[-1] == ("its header is cut: 5 of 12 bytes", True)


def test_what_is_a_header():
    header = CONTENTS[:HEADER_BYTES]
    assert is_header(header)
    assert not is_header(header[:-1]) and not is_header(header + b"\0")
    assert not is_header(_flipped(3)[:HEADER_BYTES]) and not is_header(b"")


def test_features_are_those_that_tensorflow_wrote():
    features = parse_features(serialize_example(b"\xff\xd8", -3, "a/\udcff.jpg", "ab"))
    assert sorted(features) == ["file_name", "image", "label", "sha256"]
    assert features["image"].bytes_list.value == [b"\xff\xd8"]
    assert features["file_name"].bytes_list.value == [b"a/\xff.jpg"]
    assert features["label"].int64_list.value == [-3]
    assert features["label"].WhichOneof("kind") == "int64_list"


def test_features_of_every_kind_agree_with_tensorflows_class():
    example = tf.train.Example()
    example.features.feature["floats"].float_list.value.extend([0.5, -2.0])
    example.features.feature["integers"].int64_list.value.extend([1, -(2**63), 2**63 - 1])
    example.features.feature["none"].SetInParent()
    features = parse_features(example.SerializeToString())
    assert {name: str(feature) for name, feature in features.items()} == {
        name: str(feature) for name, feature in example.features.feature.items()
    }


@pytest.mark.parametrize("data", [b"\xff", b"no example at all", b"\x0a\x05abc"])
def test_what_is_no_example(data: bytes):
    with pytest.raises(ValueError, match="is no tf.train.Example"):
        parse_features(data)
