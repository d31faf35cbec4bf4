"""The record: what one example holds in a shard, how it is written and how it is read."""

import tensorflow as tf

# No default values: a record that lacks a feature is damaged, and reading it must fail.
FEATURES: dict[str, tf.io.FixedLenFeature] = {
    "image": tf.io.FixedLenFeature([], tf.string),
    "label": tf.io.FixedLenFeature([], tf.int64),
    "file_name": tf.io.FixedLenFeature([], tf.string),
    "sha256": tf.io.FixedLenFeature([], tf.string),
}


def serialize_example(image: bytes, label: int, file_name: str, sha256: str) -> bytes:
    """The bytes of one record, the same for the same arguments.

    Args:
        image: Encoded image (JPEG or PNG), or pixels where the set's encoding is 'raw'.
        label: Index of the class in the manifest's `class_names`.
        file_name: Path of the image in its source, with forward slashes: `Faces/image_0001.jpg`.
            What is no UTF-8 in it goes back to the bytes that it was.
        sha256: Hexadecimal SHA-256 of the source's file, before any normalisation.
    """
    example = tf.train.Example()
    feature = example.features.feature
    # Filled in place: messages handed to constructors are copied, with the image in them.
    feature["image"].bytes_list.value.append(image)
    feature["label"].int64_list.value.append(label)
    feature["file_name"].bytes_list.value.append(file_name.encode("utf-8", "surrogateescape"))
    feature["sha256"].bytes_list.value.append(sha256.encode())
    # A protobuf map has no order of its own; `deterministic` sorts it by key.
    return example.SerializeToString(deterministic=True)


def parse_example(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """One record's features, as scalars named as in `FEATURES`; works inside tf.data.

    Args:
        serialized: Scalar string, one record of a shard.

    Raises:
        tf.errors.InvalidArgumentError: when the record is no Example, lacks a feature, or holds
            one of another type. (Eagerly, TensorFlow fails with UnicodeDecodeError instead where
            the bytes that it quotes are not UTF-8.)
    """
    return tf.io.parse_single_example(serialized, FEATURES)
