"""The record: what one example holds, how it is framed in a TFRecord file, and how both are read.

A record is framed as a length (8 bytes, little-endian), the masked CRC-32C of these 8 bytes, the
data, and the masked CRC-32C of the data. Source of the format and of the mask: "TFRecord and
tf.train.Example" in TensorFlow's guide. TensorFlow's own reader gives no error for a file that ends
between two frames or within a length, and none that names the record; this one does.

The data is a `tf.train.Example`. It is written and read without TensorFlow, whose import takes
seconds; `parse_spec` is for tf.data.
"""

import io
import struct
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

import google_crc32c
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory, text_format

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["parse_example", "parse_spec", "read_records", "serialize_example"]

# The features of a record, and the field of tf.train.Feature that each is in.
FEATURE_KINDS = {
    "image": "bytes_list",
    "label": "int64_list",
    "file_name": "bytes_list",
    "sha256": "bytes_list",
}
# The message tf.train.Example as tensorflow/core/example/*.proto define it. TensorFlow's own class
# comes only with all of TensorFlow.
_EXAMPLE_PROTO = """
name: "example.proto" package: "records" syntax: "proto3"
message_type {
  name: "BytesList"
  field { name: "value" number: 1 label: LABEL_REPEATED type: TYPE_BYTES }
}
message_type {
  name: "FloatList"
  field { name: "value" number: 1 label: LABEL_REPEATED type: TYPE_FLOAT }
}
message_type {
  name: "Int64List"
  field { name: "value" number: 1 label: LABEL_REPEATED type: TYPE_INT64 }
}
message_type {
  name: "Feature"
  oneof_decl { name: "kind" }
  field { name: "bytes_list" number: 1 oneof_index: 0 type_name: ".records.BytesList" }
  field { name: "float_list" number: 2 oneof_index: 0 type_name: ".records.FloatList" }
  field { name: "int64_list" number: 3 oneof_index: 0 type_name: ".records.Int64List" }
}
message_type {
  name: "Features"
  nested_type {
    name: "FeatureEntry"
    options { map_entry: true }
    field { name: "key" number: 1 type: TYPE_STRING }
    field { name: "value" number: 2 type_name: ".records.Feature" }
  }
  field {
    name: "feature" number: 1 label: LABEL_REPEATED type_name: ".records.Features.FeatureEntry"
  }
}
message_type {
  name: "Example"
  field { name: "features" number: 1 type_name: ".records.Features" }
}
"""
# In a pool of its own, so that it does not meet TensorFlow's definition in one process.
_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(text_format.Parse(_EXAMPLE_PROTO, descriptor_pb2.FileDescriptorProto()))
_Example = message_factory.GetMessageClass(_POOL.FindMessageTypeByName("records.Example"))
_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
HEADER_BYTES = _LENGTH.size + _CRC.size
FRAME_BYTES = HEADER_BYTES + _CRC.size  # what framing adds to a record


class DamagedRecordError(ValueError):
    """A frame that is not as it was written."""

    def __init__(self, problem: str, is_last: bool = True):
        super().__init__(problem)
        self.is_last = is_last  # whether the file cannot be read further


# What one example holds.


def serialize_example(image: bytes, label: int, file_name: str, sha256: str) -> bytes:
    """The data of one record, the same bytes for the same arguments.

    Args:
        image: Encoded image (JPEG or PNG), or pixels where the set's encoding is 'raw'.
        label: Index of the class in the manifest's `class_names`.
        file_name: Path of the image in its source, with forward slashes: `Faces/image_0001.jpg`.
            Bytes that are no UTF-8 stand in it as `surrogateescape`, and are written as they were.
        sha256: Hexadecimal SHA-256 of the source's file, before any normalisation.
    """
    example = _Example()
    feature = example.features.feature
    # Filled in place: messages handed to constructors are copied, with the image in them.
    feature["image"].bytes_list.value.append(image)
    feature["label"].int64_list.value.append(label)
    feature["file_name"].bytes_list.value.append(file_name.encode("utf-8", "surrogateescape"))
    feature["sha256"].bytes_list.value.append(sha256.encode())
    # A protobuf map has no order of its own; `deterministic` sorts it by key.
    return example.SerializeToString(deterministic=True)


def parse_features(data: bytes) -> Mapping[str, Any]:
    """The features of one record, without TensorFlow: name -> a message like `tf.train.Feature`.

    Raises:
        ValueError: when the data is no `tf.train.Example`.
    """
    try:
        return _Example.FromString(data).features.feature
    except message.DecodeError as error:
        raise ValueError("it is no tf.train.Example") from error


def parse_spec() -> "dict[str, tf.io.FixedLenFeature]":
    """The features for `tf.io.parse_example`, with which tf.data parses records.

    No feature has a default: a record that lacks one is damaged, and reading it must fail.
    """
    import tensorflow as tf

    dtypes = {"bytes_list": tf.string, "int64_list": tf.int64}
    return {name: tf.io.FixedLenFeature([], dtypes[kind]) for name, kind in FEATURE_KINDS.items()}


def parse_example(serialized: "tf.Tensor") -> "dict[str, tf.Tensor]":
    """The features of one record, a scalar string, as scalar tensors; works inside tf.data.

    Raises:
        tf.errors.InvalidArgumentError: when the record is no Example, lacks a feature, or holds
            one of another type. (Eagerly, TensorFlow fails with UnicodeDecodeError instead where
            the bytes that it quotes are not UTF-8.)
    """
    import tensorflow as tf

    return tf.io.parse_single_example(serialized, parse_spec())


# How records stand in a file.


def frame_record(data: bytes) -> bytes:
    """`data` as it stands in a TFRecord file."""
    length = _LENGTH.pack(len(data))
    return b"".join((length, _masked_crc(length), data, _masked_crc(data)))


def is_header(data: bytes) -> bool:
    """Whether `data` is the whole header of a frame: a length that agrees with its checksum."""
    return data[_LENGTH.size :] == _masked_crc(data[: _LENGTH.size])


def scan_records(stream: IO[bytes], num_bytes: int) -> Iterator[bytes | DamagedRecordError]:
    """The records of an uncompressed TFRecord file; an error stands in the place of a damaged one.

    After a record whose data alone is damaged comes the next one. What follows a damaged length
    cannot be found again, so that the error is the last item then.

    Args:
        stream: The file, at its start. Only one record at a time is held in memory.
        num_bytes: The size of the file.
    """
    left = num_bytes
    while left > 0:
        header = stream.read(min(HEADER_BYTES, left))
        if len(header) < HEADER_BYTES:
            yield DamagedRecordError(f"its header is cut: {len(header)} of {HEADER_BYTES} bytes")
            return
        if not is_header(header):
            yield DamagedRecordError(
                "its length does not agree with its checksum; no record after it is found"
            )
            return
        expected = _LENGTH.unpack_from(header)[0] + _CRC.size
        left -= HEADER_BYTES
        # No more than there is: a false length is no reason to ask for memory.
        frame = stream.read(min(expected, left))
        if len(frame) < expected:
            problem = f"it is cut: {len(frame)} of {expected} bytes after its header"
            yield DamagedRecordError(problem)
            return
        data = frame[: -_CRC.size]
        if frame[-_CRC.size :] == _masked_crc(data):
            yield data
        else:
            yield DamagedRecordError("its data does not agree with its checksum", False)
        left -= expected


def read_records(contents: bytes | memoryview) -> Iterator[bytes]:
    """The records in the contents of an uncompressed TFRecord file, in their order.

    Raises:
        DamagedRecordError: at the first frame that is cut or whose checksums do not agree.
    """
    for record in scan_records(io.BytesIO(contents), len(contents)):
        if isinstance(record, DamagedRecordError):
            raise record
        yield record


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return _CRC.pack(((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
