import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import MANIFEST_NAME, SCHEMA_VERSION, load_manifest
from pipelines.tfrecords.verification import verify
from tests.pipelines.verification.pets import (
    TRAIN_0,
    TRAIN_1,
    change_split,
    edit_manifest,
    records_of,
    replace_shard,
    write_set,
)


def _removed(pets: Path) -> None:
    (pets / MANIFEST_NAME).unlink()


def _unreadable(pets: Path) -> None:
    (pets / MANIFEST_NAME).write_bytes(b"\xff\xfe")


def _cut(pets: Path) -> None:
    os.truncate(pets / MANIFEST_NAME, 300)


def _newer(pets: Path) -> None:
    edit_manifest(
        pets, f'"schema_version": {SCHEMA_VERSION}', f'"schema_version": {SCHEMA_VERSION + 1}'
    )


def _at_odds_with_itself(pets: Path) -> None:
    edit_manifest(pets, '"num_images": 18', '"num_images": 19')


def _infinite(pets: Path) -> None:
    edit_manifest(pets, '"num_examples": 6', '"num_examples": 1e999')


def _deep(pets: Path) -> None:
    (pets / MANIFEST_NAME).write_text("[" * 100_000)


@pytest.mark.parametrize(
    ("fault", "damage", "problem"),
    [
        ("that is missing, as is its directory", shutil.rmtree, "which does not exist"),
        ("that is missing", _removed, "without a manifest.json"),
        ("that is no UTF-8", _unreadable, "cannot be read"),
        ("that is cut", _cut, "cannot be read"),
        ("of a newer schema", _newer, "update this program"),
        ("at odds with itself", _at_odds_with_itself, "does not agree with its own checksum"),
        ("with an infinite number", _infinite, "infinity"),
        ("nested too deep", _deep, "cannot be read"),
    ],
)
def test_a_manifest_that_cannot_be_loaded(
    pets: Path, fault: str, damage: Callable[[Path], None], problem: str, note_fault: Callable
):
    happened = note_fault("damaged set", f"a manifest {fault}")
    damage(pets)
    found = verify(pets)
    happened(InputError(found.problems[0].problem))
    assert (found.manifest, found.num_shards, found.num_records) == (None, 0, 0)
    ((file, record, text),) = map(dataclasses.astuple, found.problems)
    assert (file, record) == (MANIFEST_NAME, None)
    assert problem in text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  ", "   "),
        ("}\n", "}"),
        ('"name": "pets",', '"name": "pets", "name": "pets",'),
        ('"test_fraction": 0.25', '"test_fraction": 0.250'),
    ],
)
def test_a_manifest_of_the_same_meaning_in_other_bytes(
    pets: Path, old: str, new: str, find: Callable
):
    edit_manifest(pets, old, new)
    assert find(pets) == [(MANIFEST_NAME, None, "its bytes are not those that were written")]


@pytest.mark.parametrize(
    ("changes", "record", "problem"),
    [
        ({"num_bytes": 5}, None, "bytes, expected 5"),
        ({"sha256": "ab"}, None, "its bytes are not those that were written"),
    ],
)
def test_a_manifest_at_odds_with_a_shard(
    pets: Path, changes: dict[str, object], record: int | None, problem: str, find: Callable
):
    replace_shard(pets, TRAIN_1, records_of(1), **changes)
    (found,) = find(pets)
    assert found[:2] == (TRAIN_1, record) and problem in found[2]


def test_counts_of_shards_at_odds_with_the_shards(pets: Path, find: Callable):
    first, second = load_manifest(pets).splits["train"].shards
    changed = (
        dataclasses.replace(first, num_examples=5),
        dataclasses.replace(second, num_examples=7),
    )
    change_split(pets, shards=changed)
    assert find(pets) == [
        (TRAIN_0, 5, "it is too much: the shard has 6 records, not 5"),
        (TRAIN_1, 6, "it is missing: the shard has 6 of 7 records"),
    ]


def test_counts_of_classes_at_odds_with_the_shards(pets: Path, find: Callable):
    change_split(pets, class_counts=(5, 4, 3))
    problem = "it gives the class {!r} {} records in the split 'train', and its shards hold 4"
    assert find(pets) == [
        (MANIFEST_NAME, None, problem.format("cats", 5)),
        (MANIFEST_NAME, None, problem.format("owls", 3)),
    ]


def test_an_encoding_that_is_not_known(tmp_path: Path, find: Callable):
    pets = write_set(tmp_path / "pets", encoding="bmp")
    assert find(pets) == [
        (MANIFEST_NAME, None, "its encoding is 'bmp', expected jpeg or raw"),
    ]


def test_metadata_missing_or_changed(pets: Path, find: Callable):
    (pets / "features.json").unlink()
    (pets / "label.labels.txt").write_bytes(b"dogs\ncats\nowls\n")
    missing, changed = find(pets)
    assert missing == ("features.json", None, "it is missing")
    assert changed[0] == "label.labels.txt" and "it is not as it was written" in changed[2]
