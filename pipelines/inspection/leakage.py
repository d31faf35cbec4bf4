"""Leakage: near-identical images in several splits, or under several labels, of a finished set."""

from typing import Any, NamedTuple

from pipelines.conversion.duplicates import find_groups, hash_encoded, perceptual_hash
from pipelines.tfrecords.manifest import Manifest
from pipelines.tfrecords.reader import StoredExample, opened


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
        {
            "file_names": [origin.file_name, place.file_name],
            "splits": [origin.split, place.split],
        }
        for place in group
        if place.split != origin.split
    ]
