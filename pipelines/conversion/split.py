"""Divides a set of images into training, test and validation parts, as the tutorial does it."""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from sklearn.model_selection import train_test_split

from pipelines.runtime.console import counted
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import SPLITS, Settings


def split_images(
    file_names: Sequence[str],
    class_names: Sequence[str],
    labels: Sequence[int],
    given: Sequence[str],
    groups: Sequence[Sequence[int]],
    settings: Settings,
) -> dict[str, list[int]]:
    """Stratified split that depends on the names alone, not on the order in which they come.

    It is the tutorial's: paths sorted as strings, then scikit-learn's
    `train_test_split(test_size=0.25, stratify=labels, random_state=42)`. The validation part is
    taken out of the sorted training part by the same means and with the same seed. What the source
    assigns to a part stays there; a part that it does not have is taken out of its training part.

    Args:
        file_names: Path of each image, no two alike.
        given: The part to which the source assigns each image, or ''.
        groups: Images that must stay together, as indices, no image in two groups and all of a
            group of one class. A group counts as one image, and goes where its first name goes.

    Returns:
        Part ('train', 'test', and 'validation' where there is one) -> indices of its images, in
        the order of their names.

    Raises:
        InputError: when a class has too few images for one in every part, and when the source
            divides a group.
    """
    parts: dict[str, list[int]] = {}
    for index, part in enumerate(given):
        parts.setdefault(part if part and settings.split != "stratified" else "train", []).append(
            index
        )
    leader_of = _leaders(groups, file_names, parts)
    pool = [index for index in parts.pop("train", []) if leader_of.get(index, index) == index]
    divided = _divide(pool, set(parts), file_names, labels, class_names, settings)
    leaders = set(leader_of.values())
    home = {i: part for part, indices in divided.items() for i in indices if i in leaders}
    for index, leader in leader_of.items():
        if index != leader and leader in home:
            divided[home[leader]].append(index)
    parts.update(divided)
    for part, indices in parts.items():
        indices.sort(key=file_names.__getitem__)
        present = {labels[index] for index in indices}
        for label, class_name in enumerate(class_names):
            if label not in present:  # by rounding, as the smallest of classes may be
                count = labels.count(label)
                raise _too_few(class_name, count, count + 1, f"one in {part}")
    return {part: parts[part] for part in SPLITS if part in parts}


def check_class_counts(split_counts: Mapping[str, Mapping[str, int]], settings: Settings) -> None:
    """Raises what `split_images` would raise for classes of these sizes, before any work is done.

    Args:
        split_counts: Part that the source assigns, or '' -> class -> number of its images.
    """
    class_names = sorted({name for counts in split_counts.values() for name in counts})
    labels, given = [], []
    for split, counts in split_counts.items():
        for label, class_name in enumerate(class_names):
            labels += [label] * counts.get(class_name, 0)
            given += [split] * counts.get(class_name, 0)
    numbers = [f"{index:012}" for index in range(len(labels))]
    split_images(numbers, class_names, labels, given, (), settings)


def _leaders(
    groups: Sequence[Sequence[int]], file_names: Sequence[str], parts: Mapping[str, list[int]]
) -> dict[int, int]:
    """Image of a group -> the one whose name is the first, which goes for all of them."""
    leader_of = {}
    part_of = {i: part for part, indices in parts.items() for i in indices} if groups else {}
    for group in groups:
        leader = min(group, key=file_names.__getitem__)
        leader_of.update(dict.fromkeys(group, leader))
        elsewhere = [index for index in group if part_of[index] != part_of[leader]]
        if elsewhere:
            raise InputError(
                f"received images that are the same or nearly in two parts of the source's own "
                f"split: {file_names[leader]!r} in {part_of[leader]} and "
                f"{file_names[elsewhere[0]]!r} in {part_of[elsewhere[0]]}, expected each picture "
                "in one part; move one away, or pass --split=stratified to divide all images anew."
            )
    return leader_of


def _divide(
    pool: list[int],
    already: Collection[str],
    file_names: Sequence[str],
    labels: Sequence[int],
    class_names: Sequence[str],
    settings: Settings,
) -> dict[str, list[int]]:
    """Takes the parts that there are not already out of `pool`; 'train' is what is left."""
    wanted = {"test": settings.test_fraction, "validation": settings.validation_fraction}
    missing = {part: share for part, share in wanted.items() if share and part not in already}
    counts = Counter(labels[index] for index in pool)
    smallest = min([*missing.values(), 1.0 - sum(missing.values())])
    least = math.ceil(1 / smallest - 1e-9)
    for label, class_name in enumerate(class_names):
        if counts[label] < least:
            purpose = f"one in a part of {smallest:.3g} of the images"
            raise _too_few(class_name, counts[label], least, purpose)
    divided = {"train": pool}
    for part, share in missing.items():
        # What has been taken out before does not make a share smaller.
        size = share if len(divided) == 1 else math.ceil(share * len(pool))
        ordered = sorted(divided["train"], key=file_names.__getitem__)
        stratify = [labels[index] for index in ordered]
        try:
            divided["train"], divided[part] = train_test_split(
                ordered, test_size=size, stratify=stratify, random_state=settings.split_seed
            )
        except ValueError as error:  # a part with fewer images than there are classes
            label, count = min(counts.items(), key=lambda item: item[::-1])
            raise _too_few(class_names[label], count, count + 1, "one in every part") from error
    return divided


def _too_few(class_name: str, count: int, least: int, purpose: str) -> InputError:
    return InputError(
        f"received {counted(count, 'image')} of the class {class_name!r}, expected at least "
        f"{least}, to have {purpose}; add images, leave the class out with --classes, or change "
        "--test_fraction and --validation_fraction."
    )
