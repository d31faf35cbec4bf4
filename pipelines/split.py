"""Divides a set of images into training, test and validation parts, as the tutorial does it."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from sklearn.model_selection import train_test_split

from pipelines.errors import InputError


def split_files(
    file_names: Sequence[str],
    class_names: Sequence[str],
    test_fraction: float,
    validation_fraction: float,
    seed: int,
) -> dict[str, list[int]]:
    """Stratified split that depends on the names alone, not on the order in which they come.

    It is the tutorial's: paths sorted as strings, then scikit-learn's
    `train_test_split(test_size=0.25, stratify=labels, random_state=42)`. The validation part is
    taken out of the sorted training part by the same means and with the same seed.

    Args:
        file_names: Path of each image, no two alike.
        class_names: Class of each image.
        test_fraction: Share of all images, in (0, 1).
        validation_fraction: Share of all images, in [0, 1); 0 for no such part.
        seed: At least 0.

    Returns:
        Part ('train', 'test', and 'validation' where asked for) -> indices of its images, in the
        order of their names.

    Raises:
        InputError: when a class has too few images for one in every part.
    """
    _check_counts(Counter(class_names), test_fraction, validation_fraction)

    def divide(indices: list[int], size: float | int) -> list[list[int]]:
        ordered = sorted(indices, key=file_names.__getitem__)
        labels = [class_names[index] for index in ordered]
        try:
            return train_test_split(ordered, test_size=size, stratify=labels, random_state=seed)
        except ValueError as error:  # a part with fewer images than there are classes
            count, class_name = min((count, name) for name, count in Counter(class_names).items())
            raise _too_few(class_name, count, count + 1, "one in every part") from error

    train, test = divide(list(range(len(file_names))), test_fraction)
    parts = {"train": train, "test": test}
    if validation_fraction:
        size = math.ceil(validation_fraction * len(file_names))
        parts["train"], parts["validation"] = divide(parts["train"], size)
    for part, indices in parts.items():
        present = {class_names[index] for index in indices}
        for class_name, count in sorted(Counter(class_names).items()):
            if class_name not in present:  # possible by rounding, in the smallest of classes
                raise _too_few(class_name, count, count + 1, f"one in {part}")
    return {part: sorted(indices, key=file_names.__getitem__) for part, indices in parts.items()}


def check_class_counts(
    class_counts: Mapping[str, int], test_fraction: float, validation_fraction: float, seed: int
) -> None:
    """Raises what `split_files` would raise for classes of these sizes, before any work is done."""
    _check_counts(class_counts, test_fraction, validation_fraction)
    class_names = [name for name in sorted(class_counts) for _ in range(class_counts[name])]
    numbers = [f"{index:012}" for index in range(len(class_names))]
    split_files(numbers, class_names, test_fraction, validation_fraction, seed)


def _check_counts(
    counts: Mapping[str, int], test_fraction: float, validation_fraction: float
) -> None:
    shares = [test_fraction, 1.0 - test_fraction - validation_fraction]
    smallest = min(shares + ([validation_fraction] if validation_fraction else []))
    least = math.ceil(1 / smallest - 1e-9)
    for class_name, count in sorted(counts.items()):
        if count < least:
            share = f"one in a part of {smallest:.3g} of the images"
            raise _too_few(class_name, count, least, share)


def _too_few(class_name: str, count: int, least: int, purpose: str) -> InputError:
    return InputError(
        f"received {count} images of the class {class_name!r}, expected at least {least}, to have "
        f"{purpose}; add images, leave the class out with --classes, or change --test_fraction and "
        "--validation_fraction."
    )
