import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipelines.inspection.audit import HashCollector, find_leakage
from pipelines.tfrecords.manifest import SCHEMA_VERSION, Manifest, Shard, Split
from pipelines.tfrecords.reader import StoredExample

SPLITS = ("train", "test", "validation")
RAW_SHAPE = (96, 96, 3)


def _picture(seed: int) -> Image.Image:
    """Smooth coloured blots, another picture for every seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((320, 240), Image.Resampling.BICUBIC)


def _example(
    name: str, split: str, label: int, seed: int, *, quality: int = 90, raw: bool = False
) -> StoredExample:
    stream = io.BytesIO()
    _picture(seed).save(stream, "JPEG", quality=quality)
    data = stream.getvalue()
    if raw:
        data = Image.open(io.BytesIO(data)).resize(RAW_SHAPE[:2]).tobytes()
    return StoredExample(split, label, name, data, RAW_SHAPE if raw else None, Path("x"), 0)


def _find(examples: Sequence[StoredExample]) -> dict[str, Any]:
    splits = {}
    for name in SPLITS:
        labels = [example.label for example in examples if example.split == name]
        counts = (labels.count(0), labels.count(1))
        splits[name] = Split(counts, (Shard(name, len(labels), 0, ""),))
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name="planted",
        class_names=("cats", "dogs"),
        splits=splits,
        encoding="jpeg",
        image_shape=(None, None, 3),
        source={},
        settings={},
        rejected=(),
        normalised={},
        remarks={},
        duplicates=(),
        metadata={},
    )
    collected = HashCollector()
    for example in examples:
        part = HashCollector()
        part.add(example)
        collected.merge(part)
    return find_leakage(manifest, collected)


def test_a_set_without_copies_has_none():
    leakage = _find([_example(f"cats/{n}", SPLITS[n % 2], 0, n) for n in range(10)])
    assert leakage["groups"] == leakage["images_in_groups"] == leakage["groups_across_splits"] == 0
    assert leakage["pairs"] == leakage["groups_with_two_labels"] == []


def test_a_copy_in_the_test_split_is_found():
    examples = [_example(f"cats/{n}", "train", 0, n) for n in range(6)]
    examples += [_example(f"cats/{n}", "test", 0, n) for n in range(6, 9)]
    examples.append(_example("cats/copy", "test", 0, 3, quality=60))
    leakage = _find(examples)
    assert leakage["pairs"] == [
        {"file_names": ["cats/3", "cats/copy"], "splits": ["train", "test"]}
    ]
    assert (leakage["groups"], leakage["images_in_groups"]) == (1, 2)
    assert leakage["groups_across_splits"] == 1
    assert (leakage["test_images_also_in_train"], leakage["share_of_test"]) == (1, 0.25)


def test_a_copy_in_the_same_split_is_no_leak():
    examples = [_example("cats/a", "train", 0, 1), _example("cats/b", "train", 0, 1, quality=60)]
    leakage = _find([*examples, _example("cats/c", "test", 0, 2)])
    assert (leakage["groups"], leakage["groups_across_splits"]) == (1, 0)
    assert leakage["test_images_also_in_train"] == 0


def test_a_copy_in_validation_and_test_is_not_in_training():
    examples = [_example("cats/a", "validation", 0, 1), _example("cats/b", "test", 0, 1)]
    leakage = _find([*examples, _example("cats/c", "train", 0, 2)])
    assert leakage["groups_across_splits"] == 1
    assert leakage["test_images_also_in_train"] == 0
    assert [pair["splits"] for pair in leakage["pairs"]] == [["test", "validation"]]


def test_every_test_image_of_a_group_is_counted():
    examples = [_example(f"cats/{n}", "test", 0, 1, quality=60 + 5 * n) for n in range(3)]
    examples += [_example("dogs/z", "train", 1, 1), _example("dogs/zz", "train", 1, 1)]
    examples.append(_example("dogs/y", "test", 1, 2))
    leakage = _find(examples)
    assert leakage["test_images_also_in_train"] == 3
    assert [pair["file_names"] for pair in leakage["pairs"]] == [
        ["dogs/z", f"cats/{n}"] for n in range(3)
    ]


def test_groups_with_two_labels_are_named():
    examples = [_example("dogs/a", "train", 1, 1), _example("cats/b", "test", 0, 1, quality=60)]
    leakage = _find([*examples, _example("cats/c", "test", 0, 2)])
    assert leakage["groups_with_two_labels"] == [
        [
            {"file_name": "cats/b", "class": "cats", "split": "test"},
            {"file_name": "dogs/a", "class": "dogs", "split": "train"},
        ]
    ]


def test_the_order_of_the_records_has_no_say():
    examples = [_example(f"{n}", SPLITS[n // 4], n // 4, n % 4, quality=80) for n in range(8)]
    assert len(_find(examples)["pairs"]) == len(_find(examples)["groups_with_two_labels"]) == 4
    assert _find(examples) == _find(examples[::-1])


def test_pixels_are_compared_too():
    examples = [_example(f"cats/{n}", "train", 0, n, raw=True) for n in range(6)]
    examples.append(_example("cats/copy", "test", 0, 3, quality=60, raw=True))
    pairs = _find(examples)["pairs"]
    assert [pair["file_names"] for pair in pairs] == [["cats/3", "cats/copy"]]
