import pytest
import tensorflow as tf

from pipelines.tfrecords.record import FEATURE_KINDS, parse_example, serialize_example


def test_round_trip_gives_the_same_bytes():
    record = serialize_example(b"\xff\xd8\x00", 3, "Fäces/image_0001.jpg", "ab" * 32)
    parsed = parse_example(tf.constant(record))
    assert set(parsed) == set(FEATURE_KINDS) == {"image", "label", "file_name", "sha256"}
    assert parsed["image"].numpy() == b"\xff\xd8\x00"
    assert parsed["label"].numpy() == 3 and parsed["label"].dtype == tf.int64
    assert parsed["file_name"].numpy().decode() == "Fäces/image_0001.jpg"
    assert parsed["sha256"].numpy() == b"ab" * 32


def test_the_bytes_are_those_of_tensorflows_own_message():
    record = serialize_example(b"\xff\xd8\x00", 3, "a/b.jpg", "ab" * 32)
    example = tf.train.Example.FromString(record)
    assert example.SerializeToString(deterministic=True) == record
    assert {name: example.features.feature[name].WhichOneof("kind") for name in FEATURE_KINDS} == (
        FEATURE_KINDS
    )


def test_same_arguments_give_the_same_record():
    records = {serialize_example(b"image", 1, "a/b.jpg", "00") for _ in range(20)}
    assert len(records) == 1


@pytest.mark.parametrize("feature", sorted(FEATURE_KINDS))
@pytest.mark.parametrize("inside_tf_data", [False, True])
def test_a_missing_feature_is_an_error(feature: str, inside_tf_data: bool):
    example = tf.train.Example.FromString(serialize_example(b"image", 1, "a/b.jpg", "00"))
    del example.features.feature[feature]
    record = example.SerializeToString()
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        if inside_tf_data:
            next(iter(tf.data.Dataset.from_tensors(record).map(parse_example)))
        else:
            parse_example(tf.constant(record))
    assert feature in str(caught.value)


def test_bytes_that_are_no_record_are_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError):
        parse_example(tf.constant(b"no record"))
