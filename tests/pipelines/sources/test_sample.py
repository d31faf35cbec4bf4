"""The drawn sample: the same for everybody, and told apart by its subjects alone."""

import functools
import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import f_classif
from sklearn.model_selection import cross_val_score

from pipelines.sources.sample.scene import CLASS_NAMES, SIDES, draw_image, draw_sample

REPOSITORY = Path(__file__).parents[3]
IMAGES_PER_CLASS = 25
LABELS = np.repeat(np.arange(len(CLASS_NAMES)), IMAGES_PER_CLASS)
BORDER = 3  # pixels


@functools.cache
def drawn(seed: int = 0) -> tuple[tuple[str, str, bytes], ...]:
    return tuple(draw_sample(seed, IMAGES_PER_CLASS))


def decoded(encoded: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(encoded))
    image.load()
    return image


def cross_validated_accuracy(features: list[list[float]]) -> float:
    """How well a forest tells the class of images that it has not seen; chance is 0.25."""
    forest = RandomForestClassifier(n_estimators=60, random_state=0)
    return float(cross_val_score(forest, np.array(features), LABELS, cv=5).mean())


def border_statistics(image: Image.Image) -> list[float]:
    """Mean and standard deviation of the colours along the four sides."""
    pixels = np.asarray(image, dtype=np.float64)
    rows, columns = (
        np.concatenate([side[:BORDER], side[-BORDER:]]).reshape(-1, 3)
        for side in (pixels, pixels.transpose(1, 0, 2))
    )
    border = np.concatenate([rows, columns])
    return [*border.mean(axis=0), *border.std(axis=0)]


def colour_histogram(image: Image.Image) -> list[float]:
    """Share of the pixels in each of 64 cells of the colour cube."""
    cells = np.asarray(image, dtype=np.int64) // 64 @ np.array([16, 4, 1])
    return (np.bincount(cells.ravel(), minlength=64) / cells.size).tolist()


def test_classes_are_those_of_the_study():
    assert CLASS_NAMES == ("Faces", "Leopards", "Motorbikes", "airplanes")


def test_names_and_counts():
    names = [(class_name, file_name) for class_name, file_name, _ in draw_sample(0, 2)]
    expected = [(c, f"image_{number:04d}.jpg") for c in CLASS_NAMES for number in (1, 2)]
    assert names == expected


def test_every_file_is_a_jpeg_in_colour_within_the_size_range():
    for class_name, file_name, encoded in drawn():
        image = decoded(encoded)
        assert (image.format, image.mode) == ("JPEG", "RGB"), (class_name, file_name)
        assert all(SIDES[0] <= side <= SIDES[1] for side in image.size), (class_name, file_name)


def test_same_seed_same_bytes_in_another_process():
    script = (
        "import hashlib; from pipelines.sources.sample.scene import draw_sample; "
        "print(hashlib.sha256(b''.join(jpeg for _, _, jpeg in draw_sample(0, 1))).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    printed = subprocess.check_output(
        [sys.executable, "-c", script], cwd=REPOSITORY, env=environment, text=True
    )
    here = b"".join(encoded for _, _, encoded in draw_sample(0, 1))
    assert printed.strip() == hashlib.sha256(here).hexdigest()


def test_a_shorter_sample_is_the_beginning_of_a_longer_one():
    longer = {(class_name, name): encoded for class_name, name, encoded in drawn()}
    for class_name, name, encoded in draw_sample(0, 4):
        assert encoded == longer[class_name, name]


@pytest.mark.parametrize("class_name", CLASS_NAMES)
def test_one_image_drawn_alone_is_the_one_in_the_sequence(class_name):
    np.random.seed(1)  # the global generator has no say
    alone = io.BytesIO()
    draw_image(class_name, index=5, seed=0).save(alone, "JPEG", quality=90)
    in_sequence = {(name, file): encoded for name, file, encoded in drawn()}
    assert alone.getvalue() == in_sequence[class_name, "image_0006.jpg"]


def test_no_image_occurs_twice_within_or_across_seeds():
    files = [encoded for seed in (0, 1) for _, _, encoded in draw_sample(seed, 4)]
    assert len(set(files)) == 2 * 4 * len(CLASS_NAMES)


def test_classes_share_the_sizes_but_not_image_by_image():
    sizes = [draw_image(class_name, 0, 0).size for class_name in CLASS_NAMES]
    assert len(set(sizes)) == len(CLASS_NAMES)


def test_sizes_of_all_classes_come_from_one_distribution():
    sizes = np.array([decoded(encoded).size for _, _, encoded in drawn()])
    _, p_values = f_classif(sizes, LABELS)  # of the width and of the height
    assert p_values.min() > 0.01


def test_size_and_aspect_ratio_do_not_tell_the_class():
    sizes = [decoded(encoded).size for _, _, encoded in drawn()]
    features = [[width, height, width / height] for width, height in sizes]
    assert cross_validated_accuracy(features) < 0.4


def test_borders_do_not_tell_the_class():
    features = [border_statistics(decoded(encoded)) for _, _, encoded in drawn()]
    assert cross_validated_accuracy(features) < 0.42


def test_subjects_do_tell_the_class():
    """The twin of the tests above: the same forest finds what there is to find, here in colours."""
    features = [colour_histogram(decoded(encoded)) for _, _, encoded in drawn()]
    assert cross_validated_accuracy(features) > 0.55


def test_unknown_class_is_named_with_those_expected():
    with pytest.raises(ValueError) as caught:
        draw_image("faces", 0, 0)
    assert "'faces'" in str(caught.value)
    assert "Faces, Leopards, Motorbikes, airplanes" in str(caught.value)
