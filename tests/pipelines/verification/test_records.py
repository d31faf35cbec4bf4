from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from pipelines.tfrecords.record import FEATURE_KINDS
from tests.pipelines.verification.pets import (
    IMAGE_BYTES,
    IMAGE_SHAPE,
    RECORDS_PER_SHARD,
    TEST,
    TRAIN_1,
    found_in,
    make_record,
    records_of,
    replace_shard,
    write_set,
)


@pytest.mark.parametrize("label", [-1, 3, 2**62])
def test_a_label_out_of_range(pets: Path, label: int, find: Callable):
    records = records_of(1)
    records[4] = make_record(RECORDS_PER_SHARD + 4, label=label)
    replace_shard(pets, TRAIN_1, records)
    assert find(pets) == [(TRAIN_1, 4, f"its label is {label}, expected 0 to 2")]


def _with_feature(name: str, feature: tf.train.Feature | None) -> bytes:
    example = tf.train.Example.FromString(make_record(RECORDS_PER_SHARD + 1))
    del example.features.feature[name]
    if feature is not None:
        example.features.feature[name].CopyFrom(feature)
    return example.SerializeToString()


_FLOATS = tf.train.Feature(float_list=tf.train.FloatList(value=[1.0]))
_TWO_INTEGERS = tf.train.Feature(int64_list=tf.train.Int64List(value=[1, 2]))
_NO_BYTES = tf.train.Feature(bytes_list=tf.train.BytesList())


@pytest.mark.parametrize("name", FEATURE_KINDS)
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
    records = records_of(1)
    records[1] = _with_feature(name, feature)
    replace_shard(pets, TRAIN_1, records)
    (found,) = find(pets, fault)
    assert found[:2] == (TRAIN_1, 1) and problem.format(name) in found[2]


@pytest.mark.parametrize(
    ("name", "feature", "count"), [("label", _TWO_INTEGERS, 2), ("image", _NO_BYTES, 0)]
)
def test_a_feature_of_another_number_of_values(
    pets: Path, name: str, feature: tf.train.Feature, count: int, find: Callable
):
    records = records_of(1)
    records[1] = _with_feature(name, feature)
    replace_shard(pets, TRAIN_1, records)
    problem = f"its feature {name!r} has {count} values, expected one"
    assert find(pets) == [(TRAIN_1, 1, problem)]


def test_a_record_that_is_no_example(pets: Path, find: Callable):
    records = records_of(1)
    records[0] = b"no example"
    records[2] = b""
    replace_shard(pets, TRAIN_1, records)
    assert find(pets) == [
        (TRAIN_1, 0, "it is no tf.train.Example"),
        *((TRAIN_1, 2, f"it lacks the feature {name!r}") for name in FEATURE_KINDS),
    ]


@pytest.mark.parametrize("size", [0, IMAGE_BYTES - 1, IMAGE_BYTES + 1])
def test_a_raw_image_of_another_size(tmp_path: Path, size: int, find: Callable):
    pets = write_set(tmp_path / "pets", encoding="raw", image_shape=IMAGE_SHAPE)
    assert found_in(pets) == []
    records = records_of(1)
    records[3] = make_record(RECORDS_PER_SHARD + 3, image=bytes(size))
    replace_shard(pets, TRAIN_1, records)
    problem = f"its image has {size} bytes, expected {IMAGE_BYTES}"
    assert find(pets) == [(TRAIN_1, 3, problem)]


def test_file_names_that_occur_twice(pets: Path, find: Callable):
    names = [f"cats/ü {number}.jpg" for number in range(2)]
    train, test = records_of(1), records_of(2)
    train[1] = make_record(RECORDS_PER_SHARD + 1, file_name=names[0])
    train[4] = make_record(RECORDS_PER_SHARD + 4, file_name=names[1])
    train[5] = make_record(RECORDS_PER_SHARD + 5, file_name=names[1])
    test[0] = make_record(2 * RECORDS_PER_SHARD, file_name=names[0])
    replace_shard(pets, TRAIN_1, train)
    replace_shard(pets, TEST, test)
    assert find(pets) == [
        (TRAIN_1, 5, f"its file_name {names[1]!r} is also that of record 4 of {TRAIN_1}"),
        (TEST, 0, f"its file_name {names[0]!r} is also that of record 1 of {TRAIN_1}"),
    ]


def test_equal_hashes_of_names_that_differ_are_no_finding(
    pets: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("pipelines.tfrecords.verification.hash", lambda name: 7, raising=False)
    assert found_in(pets) == []
