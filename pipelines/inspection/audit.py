"""The shortcut audit: how well the classes are told apart by what is not in the picture.

Photographs of a class often come from one place, and share a size, a shape or a border. A model
that learns that looks good on the test split, which has it too, and is of no use elsewhere. So
small classifiers are fitted on the training split, each to one such trait alone; what they reach on
the test split is what a model has to beat.
"""

import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, recall_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from pipelines.conversion.duplicates import find_groups, hash_encoded, perceptual_hash
from pipelines.tfrecords.manifest import Manifest
from pipelines.tfrecords.reader import StoredExample, opened

MAX_IMAGES = 10_000  # of a split, about: beyond, the fits take long and gain little
BORDER_SEGMENTS = 16  # of each side
THUMBNAIL_SIZE = 8
MOST_FREQUENT = "most frequent class"
_MOST_CLASSES_IN_PAIRS = 100  # support vectors are fitted to each pair of classes

_SPLITS = ("train", "test")
_OfSplits = dict[str, np.ndarray]  # split -> an array with a row for each image
_DRAFT_SIZE = (256, 256)  # a large JPEG is decoded at a half, a quarter or an eighth of its size


@dataclasses.dataclass(frozen=True, slots=True)
class Traits:
    """What the classifiers see of an image; all else is forgotten."""

    label: int
    size: tuple[int, int]
    border: bytes
    thumbnail: bytes


class TraitCollector:
    """Collects the traits of all images, or of a random `MAX_IMAGES` of each split, by name."""

    def __init__(self, manifest: Manifest):
        self.traits: dict[str, list[Traits]] = {split: [] for split in _SPLITS}
        self._shares = {
            split: MAX_IMAGES / manifest.splits[split].num_examples for split in _SPLITS
        }

    def add(self, example: StoredExample) -> None:
        if example.split in _SPLITS and _drawn(example.file_name, self._shares[example.split]):
            self.traits[example.split].append(traits_of(example))

    def merge(self, other: "TraitCollector") -> None:
        for split in _SPLITS:
            self.traits[split] += other.traits[split]


def audit_shortcuts(manifest: Manifest, collected: TraitCollector) -> dict[str, Any]:
    """Fits a classifier to each trait on the training split and scores it on the test split.

    Returns:
        'train_images' and 'test_images', how many were used; 'baselines', each with 'name', 'of'
        (what it saw), 'accuracy' and 'balanced_accuracy'; and 'best', the name of the one with the
        highest accuracy, None where none is better than the most frequent class by more than
        chance may make it.
    """
    labels = {
        split: np.array([traits.label for traits in collected.traits[split]]) for split in _SPLITS
    }
    baselines: list[dict[str, Any]] = [
        {"name": name, "of": of, **_score(model, features, labels)}
        for name, of, model, features in _baselines(manifest.encoding, collected.traits)
    ]
    most_frequent, *others = baselines
    num_test = len(labels["test"])
    floor = most_frequent["accuracy"]
    # Three standard errors of the accuracy of one who always names the most frequent class.
    by_chance = 3 * math.sqrt(floor * (1 - floor) / num_test)
    best = max(others, key=lambda baseline: baseline["accuracy"])
    return {
        "train_images": len(labels["train"]),
        "test_images": num_test,
        "baselines": baselines,
        "best": best["name"] if best["accuracy"] > floor + by_chance else None,
    }


def _baselines(
    encoding: str, traits: dict[str, list[Traits]]
) -> Iterator[tuple[str, str, Any, _OfSplits]]:
    """Name, what it sees, the classifier, and its features of each split."""

    def features(see: Callable[[Traits], Any]) -> _OfSplits:
        return {split: np.array([see(one) for one in traits[split]], float) for split in _SPLITS}

    def pixels(name: str) -> _OfSplits:
        return features(lambda traits: np.frombuffer(getattr(traits, name), np.uint8))

    # Measured on the four classes of the study: forests do best on a number or two, which they cut
    # into ranges; support vectors on pixels, where forests reach 95.9 % from the thumbnail.
    def forest() -> RandomForestClassifier:
        return RandomForestClassifier(n_estimators=200, random_state=0, n_jobs=-1)

    def support_vectors() -> Pipeline | RandomForestClassifier:
        if len({one.label for one in traits["train"]}) > _MOST_CLASSES_IN_PAIRS:
            return forest()
        return make_pipeline(StandardScaler(), SVC(C=10.0))

    nothing = features(lambda traits: (0.0,))
    yield MOST_FREQUENT, "whatever the image", DummyClassifier(strategy="most_frequent"), nothing
    if encoding != "raw":
        yield "size", "width and height", forest(), features(lambda traits: traits.size)
        ratio = features(lambda traits: (traits.size[0] / traits.size[1],))
        yield "aspect ratio", "width / height", forest(), ratio
    of = f"mean colours of {BORDER_SEGMENTS} pieces of the outermost pixels of each side"
    yield "border", of, support_vectors(), pixels("border")
    of = f"{THUMBNAIL_SIZE} x {THUMBNAIL_SIZE} pixels in colour"
    yield "thumbnail", of, support_vectors(), pixels("thumbnail")


def _score(model: Any, features: _OfSplits, labels: _OfSplits) -> dict[str, float]:
    # As when classes are rare, and few images are looked at.
    if len(np.unique(labels["train"])) < 2:
        model = DummyClassifier(strategy="most_frequent")
    model.fit(features["train"], labels["train"])
    truth, predicted = labels["test"], model.predict(features["test"])
    accuracy = accuracy_score(truth, predicted)
    # The mean of the classes' recalls: 1 / classes for one who always names the same.
    balanced = recall_score(truth, predicted, labels=np.unique(truth), average="macro")
    return {"accuracy": float(accuracy), "balanced_accuracy": float(balanced)}


def _drawn(file_name: str, share: float) -> bool:
    digest = hashlib.sha256(file_name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def traits_of(example: StoredExample) -> Traits:
    """What the classifiers see of an image, which is decoded for it."""
    with opened(example) as picture:
        size = picture.size
        picture.draft("RGB", _DRAFT_SIZE)
        image = picture.convert("RGB")
    thumbnail = image.resize((THUMBNAIL_SIZE, THUMBNAIL_SIZE), Image.Resampling.BOX)
    return Traits(example.label, size, _border(image), thumbnail.tobytes())


def _border(image: Image.Image) -> bytes:
    """RGB of the pieces of the top, bottom, left and right line of pixels."""
    width, height = image.size
    across, down = (BORDER_SEGMENTS, 1), (1, BORDER_SEGMENTS)
    lines = (
        ((0, 0, width, 1), across),
        ((0, height - 1, width, height), across),
        ((0, 0, 1, height), down),
        ((width - 1, 0, width, height), down),
    )
    return b"".join(
        image.crop(box).resize(pieces, Image.Resampling.BOX).tobytes() for box, pieces in lines
    )


class Place(NamedTuple):
    """Where an image is in the set."""

    file_name: str
    label: int
    split: str


class HashCollector:
    """Collects the perceptual hashes of all images, of 32 bytes each, and their names."""

    def __init__(self) -> None:
        self.hashes: list[bytes] = []
        self.places: list[Place] = []

    def add(self, example: StoredExample) -> None:
        with opened(example) as picture:
            # Encoded bytes as make_tfrecords hashes them, so that the same groups are found.
            raw = example.pixels_shape is not None
            value = perceptual_hash(picture) if raw else hash_encoded(example.image)
        self.hashes.append(value)
        self.places.append(Place(example.file_name, example.label, example.split))

    def merge(self, other: "HashCollector") -> None:
        self.hashes += other.hashes
        self.places += other.places


def find_leakage(manifest: Manifest, collected: HashCollector) -> dict[str, Any]:
    """Groups near-identical images and says which of the groups do harm.

    Returns:
        'groups' and 'images_in_groups', how many there are; 'groups_across_splits', how many are in
        more than one; 'test_images_also_in_train' and 'share_of_test'; 'pairs' of images in two
        splits, each with 'file_names' and 'splits'; and 'groups_with_two_labels', each a list of
        'file_name', 'class' and 'split'.
    """
    # By name, so that neither the shards nor their order matters.
    groups = sorted(
        sorted(collected.places[index] for index in group)
        for group in find_groups(collected.hashes)
    )
    across = [group for group in groups if len({place.split for place in group}) > 1]
    also_in_train = sum(
        sum(place.split == "test" for place in group)
        for group in across
        if any(place.split == "train" for place in group)
    )
    num_test = manifest.splits["test"].num_examples
    return {
        "groups": len(groups),
        "images_in_groups": sum(map(len, groups)),
        "groups_across_splits": len(across),
        "test_images_also_in_train": also_in_train,
        "share_of_test": also_in_train / num_test,
        "pairs": [pair for group in across for pair in _pairs(group)],
        "groups_with_two_labels": [
            [
                {"file_name": name, "class": manifest.class_names[label], "split": split}
                for name, label, split in group
            ]
            for group in groups
            if len({place.label for place in group}) > 1
        ],
    }


def _pairs(group: list[Place]) -> list[dict[str, list[str]]]:
    """Each image beside the first of the group's training images, or else of its first split's."""
    origin = min(group, key=lambda place: (place.split != "train", place.split, place.file_name))
    return [
        {"file_names": [origin.file_name, place.file_name], "splits": [origin.split, place.split]}
        for place in group
        if place.split != origin.split
    ]
