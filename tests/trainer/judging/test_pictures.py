"""Every picture is whole, has nothing cut off and gives no warning, whatever is to be shown."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers
from matplotlib.figure import Figure
from PIL import Image

from tests.trainer.judging.toys import judged_of
from trainer.judging.confusion_picture import write_confusion_matrix
from trainer.judging.filters_picture import write_filters
from trainer.judging.grad_cam_picture import rows_of
from trainer.judging.pictures import PICTURE_NAMES, write_pictures

MARGIN = 4  # pixels that must be white on every side


def model_of(classes, size=16, depth=3):
    stack = [layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(classes)]
    return keras.Sequential([keras.Input((size, size, depth)), *stack, layers.Softmax()])


def draw(tmp_path, judged):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # a glyph that no font has
        paths = write_pictures(tmp_path, judged, model_of(len(judged.class_names)))
    assert [path.name for path in paths] == list(PICTURE_NAMES)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(PICTURE_NAMES)
    for path in paths:
        check_margins(path)
    return {path.name: np.asarray(Image.open(path).convert("RGB")) for path in paths}


def check_margins(path):
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
        assert min(image.info["dpi"]) > 149
    inner = pixels[MARGIN:-MARGIN, MARGIN:-MARGIN]
    assert (inner < 128).any()
    edges = np.concatenate(
        [pixels[:MARGIN].ravel(), pixels[-MARGIN:].ravel(), pixels[:, :MARGIN].ravel(),
         pixels[:, -MARGIN:].ravel()]
    )  # fmt: skip
    assert (edges == 255).all(), f"{path.name} is cut off"


NAMES = [
    "a_class_whose_name_goes_on_and_on_" * 4,
    "猫",
    "no $\\frac$ formula",
    "new\nline",
    "bad\udcff",
    "عربى",
]
FILES = ("猫/画像_0001.jpg", "$a$.jpg", "folder/" + "x" * 90 + ".jpg", "bad\udcff.jpg", "a\tb.png")


def test_names_of_every_kind(tmp_path, recwarn):
    labels = np.arange(60) % 6
    predicted = np.where(np.arange(60) % 4, labels, (labels + 1) % 6)
    judged = judged_of(labels, predicted, NAMES, files=FILES, data_name="data_" * 30)
    assert draw(tmp_path, judged).keys() == set(PICTURE_NAMES)
    # As matplotlib's of glyphs that no font has.
    assert [str(warning.message) for warning in recwarn] == []


def test_no_mistakes_and_a_class_without_examples(tmp_path):
    drawn = draw(tmp_path, judged_of([0, 1, 0], [0, 1, 0], "abc", confidence=1.0))
    assert len(drawn["misclassified.png"]) < 200  # pixels: a line that says so


@pytest.mark.parametrize("wrong", [1, 7, 40])
def test_mistakes_have_rows_of_six(tmp_path, wrong):
    predicted = [1] * wrong + [0] * 3
    drawn = draw(tmp_path, judged_of([0] * (wrong + 3), predicted, "ab"))
    rows = {1: 1, 7: 2, 40: 4}[wrong]
    height = len(drawn["misclassified.png"]) / 200
    assert rows * 1.6 < height < rows * 1.6 + 1


def test_many_classes(tmp_path):
    labels = np.random.default_rng(0).integers(0, 100, 400)
    predicted = np.where(labels % 3, labels, (labels + 7) % 100)
    names = [f"class_{number:03}" for number in range(100)]
    path = tmp_path / "confusion_matrix.png"
    write_confusion_matrix(path, judged_of(labels, predicted, names))
    check_margins(path)
    with Image.open(path) as image:
        assert max(image.size) < 11 * 200


def test_a_single_example(tmp_path):
    drawn = draw(tmp_path, judged_of([2], [0], "abc", confidence=0.4))
    one_row = draw(tmp_path, judged_of([2] * 3, [0] * 3, "abc", confidence=0.4))
    assert len(drawn["misclassified.png"]) == len(one_row["misclassified.png"])
    assert len(drawn["grad_cam.png"]) == len(one_row["grad_cam.png"])


def test_without_a_convolution_there_is_no_grad_cam(tmp_path):
    model = keras.Sequential([keras.Input((16, 16, 3)), layers.Flatten(), layers.Dense(2)])
    paths = write_pictures(tmp_path, judged_of([0, 1], [0, 0], "ab"), model)
    assert [path.name for path in paths] == list(PICTURE_NAMES[:3])
    assert write_filters(tmp_path, model) == []
    assert len([*tmp_path.iterdir()]) == 3


def test_what_cannot_be_written_is_not_there(tmp_path, monkeypatch):
    def half(figure, path, **_):
        path.write_bytes(b"half")
        raise OSError("full")

    monkeypatch.setattr(Figure, "savefig", half)
    with pytest.raises(OSError, match="full"):
        write_pictures(tmp_path, judged_of([0, 1], [0, 0], "ab"), model_of(2))
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("depth", [1, 3])
def test_filters(tmp_path, depth):
    (path,) = write_filters(tmp_path, model_of(2, depth=depth))
    assert path.name == "filters.png"
    check_margins(path)


def test_a_row_of_grad_cam_has_right_and_wrong_ones():
    labels = [0] * 10 + [1] * 6 + [2] * 1
    predicted = [0] * 10 + [1] * 2 + [0] * 4 + [2]
    judged = judged_of(labels, predicted, "abcd", confidence=np.linspace(0.5, 0.9, 17))
    rows = rows_of(judged)
    assert {label: len(numbers) for label, numbers in rows.items()} == {0: 4, 1: 4, 2: 1}
    assert set(rows[0]) <= set(range(10))
    assert rows[1].tolist() == [10, 11, 15, 14]  # the surest mistakes last


def test_grad_cam_of_many_classes_shows_those_with_mistakes():
    labels = np.repeat(np.arange(20), 3)
    predicted = labels.copy()
    predicted[labels >= 14] = 0
    names = [str(number) for number in range(20)]
    rows = rows_of(judged_of(labels, predicted, names))
    assert len(rows) == 8 and set(rows) >= set(range(14, 20)) and list(rows) == sorted(rows)
