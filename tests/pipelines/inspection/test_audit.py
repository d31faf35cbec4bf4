import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pipelines.inspection.audit
from pipelines.inspection.audit import TraitCollector, audit_shortcuts
from pipelines.tfrecords.manifest import SCHEMA_VERSION, Manifest, Shard, Split
from pipelines.tfrecords.reader import StoredExample

Picture = Callable[[int, np.random.Generator], Image.Image]
IMAGES = {"train": 60, "test": 40}  # of each class


def _noise(rng: np.random.Generator, width: int = 40, height: int = 30) -> Image.Image:
    """Blots, as many at every size, so that nothing else tells the size."""
    blots = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    return blots.resize((width, height), Image.Resampling.NEAREST)


def _plain(label: int, rng: np.random.Generator) -> Image.Image:
    return _noise(rng, *rng.integers(20, 60, 2))


def _one_size(label: int, rng: np.random.Generator) -> Image.Image:
    return _noise(rng, 90, 40) if label == 0 else _plain(label, rng)


def _one_shape(label: int, rng: np.random.Generator) -> Image.Image:
    side = int(rng.integers(20, 60))
    return _noise(rng, side, side) if label == 0 else _noise(rng, side, 2 * side)


def _black_border(label: int, rng: np.random.Generator) -> Image.Image:
    image = _noise(rng)
    if label == 0:
        image.paste("black", (0, 0, 40, 1))
        image.paste("black", (0, 29, 40, 30))
    return image


def _dark_middle(label: int, rng: np.random.Generator) -> Image.Image:
    image = _noise(rng)
    if label == 0:
        image.paste("black", (10, 10, 30, 20))
    return image


def _manifest(encoding: str = "jpeg", num_classes: int = 2) -> Manifest:
    splits = {
        name: Split((count,) * num_classes, (Shard(name, count * num_classes, 0, ""),))
        for name, count in IMAGES.items()
    }
    return Manifest(
        schema_version=SCHEMA_VERSION,
        name="planted",
        class_names=("a", "b", "c")[:num_classes],
        splits=splits,
        encoding=encoding,
        image_shape=(30, 40, 3) if encoding == "raw" else (None, None, 3),
        source={},
        settings={},
        rejected=(),
        normalised={},
        remarks={},
        duplicates=(),
        metadata={},
    )


def _examples(picture: Picture, raw: bool = False) -> list[StoredExample]:
    rng = np.random.default_rng(0)
    examples = []
    for split, count in IMAGES.items():
        for number in range(2 * count):
            image = picture(number % 2, rng)
            stream = io.BytesIO()
            image.save(stream, "PNG")
            data = image.tobytes() if raw else stream.getvalue()
            shape = (30, 40, 3) if raw else None
            name = f"{split}/{number}"
            examples.append(StoredExample(split, number % 2, name, data, shape, Path("x"), 0))
    return examples


def _audit(picture: Picture, encoding: str = "jpeg") -> dict[str, Any]:
    manifest = _manifest(encoding)
    collector = TraitCollector(manifest)
    for example in _examples(picture, encoding == "raw"):
        collector.add(example)
    return audit_shortcuts(manifest, collector)


def _accuracies(audit: dict[str, Any]) -> dict[str, float]:
    return {baseline["name"]: baseline["accuracy"] for baseline in audit["baselines"]}


@pytest.mark.parametrize(
    ("picture", "shortcut", "blind"),
    [
        (_one_size, "size", "border"),
        (_one_shape, "aspect ratio", "border"),
        (_black_border, "border", "size"),
        (_dark_middle, "thumbnail", "border"),
    ],
)
def test_a_planted_shortcut_is_found(picture: Picture, shortcut: str, blind: str):
    audit = _audit(picture)
    accuracies = _accuracies(audit)
    assert accuracies[shortcut] > 0.98
    assert accuracies[blind] < 0.7
    assert accuracies[audit["best"]] == max(accuracies.values())


def test_where_there_is_none_all_are_about_chance():
    audit = _audit(_plain)
    assert audit["best"] is None
    assert all(0.3 < accuracy < 0.7 for accuracy in _accuracies(audit).values())


def test_it_says_on_how_many_images():
    audit = _audit(_plain)
    assert (audit["train_images"], audit["test_images"]) == (120, 80)


def test_it_is_the_same_every_time():
    assert _audit(_plain) == _audit(_plain)


def test_the_test_split_is_not_fitted():
    """Labels that are drawn at random in the test split can be told by chance only."""
    manifest = _manifest()
    collector = TraitCollector(manifest)
    examples = _examples(_one_size)
    for example in examples:
        collector.add(example)
    rng = np.random.default_rng(0)
    collector.traits["test"] = [
        pipelines.inspection.audit.Traits(int(rng.integers(2)), one.size, one.border, one.thumbnail)
        for one in collector.traits["test"]
    ]
    assert _accuracies(audit_shortcuts(manifest, collector))["size"] < 0.7


def test_balanced_accuracy_counts_classes_alike():
    manifest = _manifest()
    collector = TraitCollector(manifest)
    for example in _examples(_black_border):
        collector.add(example)
    # Of the first class, every fourth image alone.
    for traits in collector.traits.values():
        traits[:] = [t for number, t in enumerate(traits) if t.label or number % 8 == 0]
    by_name = {b["name"]: b for b in audit_shortcuts(manifest, collector)["baselines"]}
    assert by_name["most frequent class"]["accuracy"] == pytest.approx(0.8)
    assert by_name["most frequent class"]["balanced_accuracy"] == pytest.approx(0.5)
    assert by_name["border"]["balanced_accuracy"] == pytest.approx(1.0)


def test_of_pixels_there_is_no_size():
    accuracies = _accuracies(_audit(_black_border, "raw"))
    assert list(accuracies) == ["most frequent class", "border", "thumbnail"]
    assert accuracies["border"] == 1.0


def test_of_a_large_set_some_are_drawn_whatever_the_shards(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pipelines.inspection.audit, "MAX_IMAGES", 30)
    examples = _examples(_plain)
    manifest = _manifest()
    drawn = []
    for order in (examples, examples[::-1]):
        whole = TraitCollector(manifest)
        for shard in (order[:70], order[70:]):
            part = TraitCollector(manifest)
            for example in shard:
                part.add(example)
            whole.merge(part)
        drawn.append({s: {t.border for t in traits} for s, traits in whole.traits.items()})
    assert drawn[0] == drawn[1]
    assert all(15 < len(traits) < 45 for traits in drawn[0].values())
