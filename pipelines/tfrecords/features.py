"""Reads a record, a `tf.train.Example`, without TensorFlow, whose import takes seconds."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message,
    message_factory,
    text_format,
)

# What `example.FEATURES` says, in the words of tf.train.Feature.
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


def parse_features(data: bytes) -> Mapping[str, Any]:
    """The features of a record that holds a `tf.train.Example`.

    Returns:
        Name -> a message with the fields of `tf.train.Feature`.

    Raises:
        ValueError: when the record holds something else.
    """
    try:
        return _Example.FromString(data).features.feature
    except message.DecodeError as error:
        raise ValueError("it is no tf.train.Example") from error


def _example_class() -> Any:
    # A pool of its own, so that it does not meet TensorFlow's definition in one process.
    pool = descriptor_pool.DescriptorPool()
    file = text_format.Parse(_EXAMPLE_PROTO, descriptor_pb2.FileDescriptorProto())
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("records.Example"))


_Example = _example_class()
