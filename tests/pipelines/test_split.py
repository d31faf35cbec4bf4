from collections import Counter

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from pipelines.errors import InputError
from pipelines.split import check_class_counts, split_files

STUDY = {"Faces": 435, "Leopards": 200, "Motorbikes": 798, "airplanes": 800}


def _files(counts: dict[str, int]) -> tuple[list[str], list[str]]:
    pairs = [(f"{c}/image_{i:04}.jpg", c) for c, n in counts.items() for i in range(1, n + 1)]
    np.random.default_rng(7).shuffle(pairs)
    names, classes = zip(*pairs, strict=True)
    return list(names), list(classes)


def test_is_the_tutorials_split_to_the_file():
    names, classes = _files(STUDY)
    paths = sorted(f"/data/101_ObjectCategories/{name}" for name in names)
    labels = [path.split("/")[-2] for path in paths]
    train, test = train_test_split(paths, test_size=0.25, stratify=labels, random_state=42)
    parts = split_files(names, classes, 0.25, 0.0, 42)
    ours = {part: {names[index] for index in indices} for part, indices in parts.items()}
    assert ours["train"] == {path.removeprefix("/data/101_ObjectCategories/") for path in train}
    assert ours["test"] == {path.removeprefix("/data/101_ObjectCategories/") for path in test}
    assert (len(parts["train"]), len(parts["test"])) == (1674, 559)
    tested = Counter(classes[index] for index in parts["test"])
    assert tested == {"Faces": 109, "Leopards": 50, "Motorbikes": 200, "airplanes": 200}


@pytest.mark.parametrize("validation_fraction", [0.0, 0.1, 0.5])
def test_parts_are_disjoint_complete_and_stratified(validation_fraction: float):
    names, classes = _files({"a": 40, "b": 100})
    parts = split_files(names, classes, 0.2, validation_fraction, 1)
    everything = sorted(index for indices in parts.values() for index in indices)
    assert everything == list(range(140))
    assert ("validation" in parts) == bool(validation_fraction)
    assert [classes[index] for index in parts["test"]].count("a") == 8
    if validation_fraction:
        assert len(parts["validation"]) == round(140 * validation_fraction)
        share = [classes[i] for i in parts["validation"]].count("a") / len(parts["validation"])
        assert share == pytest.approx(40 / 140, abs=0.05)


def test_the_order_of_the_files_does_not_matter():
    names, classes = _files({"a": 40, "b": 100})
    backwards = split_files(names[::-1], classes[::-1], 0.25, 0.2, 42)
    for part, indices in split_files(names, classes, 0.25, 0.2, 42).items():
        assert [names[i] for i in indices] == [names[::-1][i] for i in backwards[part]]


def test_another_seed_gives_another_split():
    names, classes = _files({"a": 40, "b": 100})
    assert split_files(names, classes, 0.25, 0, 1) != split_files(names, classes, 0.25, 0, 2)


@pytest.mark.parametrize(
    ("count", "test_fraction", "validation_fraction", "least"),
    [(3, 0.25, 0.0, 4), (1, 0.5, 0.0, 2), (9, 0.25, 0.1, 10), (3, 0.75, 0.0, 4)],
)
def test_too_small_a_class_is_named_with_the_least_needed(
    count: int, test_fraction: float, validation_fraction: float, least: int
):
    with pytest.raises(InputError) as caught:
        check_class_counts({"big": 90, "small": count}, test_fraction, validation_fraction, 42)
    assert f"{count} images of the class 'small', expected at least {least}" in str(caught.value)
    check_class_counts({"big": 90, "small": least}, test_fraction, validation_fraction, 42)


def test_every_class_is_in_every_part_or_it_is_an_error():
    for count in range(4, 40):
        for fractions in ((0.25, 0.0), (0.25, 0.25), (0.3, 0.1), (0.6, 0.3)):
            names, classes = _files({"a": count, "b": 23, "c": 37})
            try:
                parts = split_files(names, classes, *fractions, 3)
            except InputError:
                continue
            for indices in parts.values():
                assert {classes[index] for index in indices} == {"a", "b", "c"}


def test_parts_smaller_than_the_number_of_classes_are_refused():
    # Both shares are rounded up, which leaves one image for the training of two classes.
    with pytest.raises(InputError, match="received 5 images of the class 'b'.*one in every part"):
        check_class_counts({"a": 6, "b": 5}, 0.3, 0.46, 0)
