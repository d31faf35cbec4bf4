from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from pipelines.conversion.split import check_class_counts, split_images
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import Settings

STUDY = {"Faces": 435, "Leopards": 200, "Motorbikes": 798, "airplanes": 800}


def _files(counts: dict[str, int]) -> tuple[list[str], list[str]]:
    pairs = [(f"{c}/image_{i:04}.jpg", c) for c, n in counts.items() for i in range(1, n + 1)]
    np.random.default_rng(7).shuffle(pairs)
    names, classes = zip(*pairs, strict=True)
    return list(names), list(classes)


def _split(
    names: list[str],
    classes: list[str],
    *settings: float,
    given: list[str] | None = None,
    groups: Sequence[Sequence[int]] = (),
    by_source: bool = True,
) -> dict[str, list[int]]:
    class_names = sorted(set(classes))
    labels = [class_names.index(name) for name in classes]
    how = Settings(
        *settings[:2], split_seed=settings[2], split="auto" if by_source else "stratified"
    )
    return split_images(names, class_names, labels, given or [""] * len(names), groups, how)


def test_is_the_tutorials_split_to_the_file():
    names, classes = _files(STUDY)
    paths = sorted(f"/data/101_ObjectCategories/{name}" for name in names)
    labels = [path.split("/")[-2] for path in paths]
    train, test = train_test_split(paths, test_size=0.25, stratify=labels, random_state=42)
    parts = _split(names, classes, 0.25, 0.0, 42)
    ours = {part: {names[index] for index in indices} for part, indices in parts.items()}
    assert ours["train"] == {path.removeprefix("/data/101_ObjectCategories/") for path in train}
    assert ours["test"] == {path.removeprefix("/data/101_ObjectCategories/") for path in test}
    assert (len(parts["train"]), len(parts["test"])) == (1674, 559)
    tested = Counter(classes[index] for index in parts["test"])
    assert tested == {"Faces": 109, "Leopards": 50, "Motorbikes": 200, "airplanes": 200}


@pytest.mark.parametrize("validation_fraction", [0.0, 0.1, 0.5])
def test_parts_are_disjoint_complete_and_stratified(validation_fraction: float):
    names, classes = _files({"a": 40, "b": 100})
    parts = _split(names, classes, 0.2, validation_fraction, 1)
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
    backwards = _split(names[::-1], classes[::-1], 0.25, 0.2, 42)
    for part, indices in _split(names, classes, 0.25, 0.2, 42).items():
        assert [names[i] for i in indices] == [names[::-1][i] for i in backwards[part]]


def test_another_seed_gives_another_split():
    names, classes = _files({"a": 40, "b": 100})
    assert _split(names, classes, 0.25, 0, 1) != _split(names, classes, 0.25, 0, 2)


@pytest.mark.parametrize(
    ("count", "test_fraction", "validation_fraction", "least"),
    [(3, 0.25, 0.0, 4), (1, 0.5, 0.0, 2), (9, 0.25, 0.1, 10), (3, 0.75, 0.0, 4)],
)
def test_too_small_a_class_is_named_with_the_least_needed(
    count: int, test_fraction: float, validation_fraction: float, least: int
):
    settings = Settings(test_fraction, validation_fraction, split_seed=42)
    with pytest.raises(InputError) as caught:
        check_class_counts({"": {"big": 90, "small": count}}, settings)
    images = "1 image" if count == 1 else f"{count} images"
    assert f"{images} of the class 'small', expected at least {least}" in str(caught.value)
    check_class_counts({"": {"big": 90, "small": least}}, settings)


def test_every_class_is_in_every_part_or_it_is_an_error():
    for count in range(4, 40):
        for fractions in ((0.25, 0.0), (0.25, 0.25), (0.3, 0.1), (0.6, 0.3)):
            names, classes = _files({"a": count, "b": 23, "c": 37})
            try:
                parts = _split(names, classes, *fractions, 3)
            except InputError:
                continue
            for indices in parts.values():
                assert {classes[index] for index in indices} == {"a", "b", "c"}


def test_parts_smaller_than_the_number_of_classes_are_refused():
    # Both shares are rounded up, which leaves one image for the training of two classes.
    with pytest.raises(InputError, match="received 5 images of the class 'b'.*one in every part"):
        check_class_counts({"": {"a": 6, "b": 5}}, Settings(0.3, 0.46, split_seed=0))


def _given(names: list[str], parts: dict[str, str]) -> list[str]:
    return [parts.get(name[-5], "") for name in names]


def test_what_the_source_assigns_stays_and_the_rest_is_taken_from_its_training_part():
    names, classes = _files({"a": 80, "b": 120})
    given = _given(names, {"0": "test", "1": "test"})
    given = [part or "train" for part in given]
    parts = _split(names, classes, 0.25, 0.1, 42, given=given)
    assert parts["test"] == sorted(
        (i for i, part in enumerate(given) if part == "test"), key=names.__getitem__
    )
    assert len(parts["validation"]) == 16 and len(parts["train"]) == 144
    anew = _split(names, classes, 0.25, 0.1, 42, given=given, by_source=False)
    assert anew == _split(names, classes, 0.25, 0.1, 42)


def test_a_test_part_that_the_source_lacks_is_made():
    names, classes = _files({"a": 80, "b": 120})
    given = [part or "train" for part in _given(names, {"5": "validation"})]
    parts = _split(names, classes, 0.25, 0.1, 42, given=given)
    assert {part: len(indices) for part, indices in parts.items()} == {
        "train": 135, "test": 45, "validation": 20,
    }  # fmt: skip


def _groups(names: list[str], size: int) -> list[tuple[int, ...]]:
    order = sorted(range(len(names)), key=names.__getitem__)
    return [tuple(order[start : start + size]) for start in range(0, len(order), size)]


def test_a_group_stays_on_one_side_whatever_its_size():
    names, classes = _files({"a": 80, "b": 120})
    groups = _groups(names, 5)[::3]
    parts = _split(names, classes, 0.25, 0.2, 42, groups=groups)
    assert sorted(index for indices in parts.values() for index in indices) == list(range(200))
    worker_data = {index: part for part, indices in parts.items() for index in indices}
    assert all(len({worker_data[index] for index in group}) == 1 for group in groups)
    without = _split(names, classes, 0.25, 0.2, 42)
    worker_data = {index: part for part, indices in without.items() for index in indices}
    assert any(len({worker_data[index] for index in group}) > 1 for group in groups)
    assert {len({worker_data[i] for i in group}) for group in _groups(names, 1)} == {1}


def test_a_group_goes_where_the_first_of_its_names_goes_alone():
    names, classes = _files({"a": 80, "b": 120})
    order = sorted(range(len(names)), key=names.__getitem__)
    groups = [(order[place], order[place + 40]) for place in range(0, 40, 3)]
    followers = {later for _, later in groups}
    left = [index for index in range(len(names)) if index not in followers]
    alone = _split([names[i] for i in left], [classes[i] for i in left], 0.25, 0.2, 42)
    parts = _split(names, classes, 0.25, 0.2, 42, groups=[group[::-1] for group in groups])
    for part, indices in alone.items():
        assert [index for index in parts[part] if index not in followers] == [
            left[index] for index in indices
        ]


def test_no_groups_give_the_plain_split():
    names, classes = _files({"a": 80, "b": 120})
    assert _split(names, classes, 0.25, 0.2, 42) == _split(
        names, classes, 0.25, 0.2, 42, groups=_groups(names, 1)
    )


def test_a_group_that_the_source_divides_is_refused_by_name():
    names, classes = _files({"a": 80, "b": 120})
    given = [part or "train" for part in _given(names, {"0": "test"})]
    nine, ten = names.index("a/image_0009.jpg"), names.index("a/image_0010.jpg")
    with pytest.raises(InputError) as caught:
        _split(names, classes, 0.25, 0.0, 42, given=given, groups=[(ten, nine)])
    for part in ("'a/image_0009.jpg' in train", "'a/image_0010.jpg' in test", "--split=stratified"):
        assert part in str(caught.value)
    parts = _split(
        names, classes, 0.25, 0.0, 42, given=given, groups=[(ten, nine)], by_source=False
    )
    assert any({nine, ten} <= set(indices) for indices in parts.values())


def test_groups_count_as_one_image():
    names, classes = _files({"a": 8, "b": 120})
    order = sorted(range(len(names)), key=names.__getitem__)
    with pytest.raises(InputError, match="received 3 images of the class 'a', expected at least 4"):
        _split(names, classes, 0.25, 0.0, 42, groups=[order[:6]])
