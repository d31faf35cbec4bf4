"""The pictures for TensorBoard show what they say, for few classes and for many."""

import io

import numpy as np
import pytest
from PIL import Image

from pipelines.runtime.drawing import as_jpeg, as_png, font, shortened
from trainer.judging.judged import Judged
from trainer.predictions import Predictions
from trainer.summaries import confusion, contact_sheet, misclassified, training_batch


def answers(labels, predicted, classes, confidence=0.9):
    """Predictions of such classes, all as confident."""
    rest = (1 - confidence) / (classes - 1)
    probabilities = np.full((len(labels), classes), rest, np.float32)
    probabilities[np.arange(len(labels)), predicted] = confidence
    return Predictions(np.array(labels), probabilities)


def texts_drawn(monkeypatch):
    """What is written on pictures from now on."""
    from PIL import ImageDraw

    texts, draw = [], ImageDraw.ImageDraw.text

    def noted(self, place, text, *arguments, **options):
        texts.append(text)
        return draw(self, place, text, *arguments, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", noted)
    return texts


def test_a_confusion_matrix_has_a_row_for_each_true_class(monkeypatch):
    texts = texts_drawn(monkeypatch)
    predictions = answers([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 2, 2], 3)
    confusion.draw_confusion(predictions, ("a", "b", "c"), "test")
    numbers = [text for text in texts if text.isdigit()]
    assert numbers[:9] == list("210011001")
    assert numbers[9:] == ["67", "33", "0", "0", "50", "50", "0", "0", "100"]
    assert {"a", "b", "c"} <= set(texts)


def test_a_class_without_examples_has_an_empty_row(monkeypatch):
    texts = texts_drawn(monkeypatch)
    predictions = answers([0, 0], [0, 1], 3)
    confusion.draw_confusion(predictions, ("a", "b", "c"), "test")
    assert [text for text in texts if text.isdigit()][9:] == ["50", "50", "0"] + ["0"] * 6


@pytest.mark.parametrize("classes", [2, 10, 20, 21, 120, 1000])
def test_pictures_of_many_classes_stay_small(classes):
    labels = np.arange(2 * classes) % classes
    predictions = answers(labels, (labels + (labels % 7 == 0)) % classes, classes)
    names = [f"{number}. a rather long name of a class" for number in range(classes)]
    pictures = confusion.draw_confusion(predictions, names, "validation")
    assert set(pictures) == ({"counts", "rates"} if classes <= 20 else {"rates"})
    for picture in pictures.values():
        assert max(picture.size) < 1300
        assert len(as_png(picture)) < 200_000


def test_with_many_classes_the_worst_pairs_are_named(monkeypatch):
    texts = texts_drawn(monkeypatch)
    labels = [3, 3, 3, 5, *range(30)]
    predicted = [4, 4, 4, 6, *range(30)]
    names = [f"class {number}" for number in range(30)]
    predictions = answers(labels, predicted, 30)
    confusion.draw_confusion(predictions, names, "test")
    assert texts[-2:] == ["3  class 3 → class 4", "1  class 5 → class 6"]


class Examples:
    def file_names(self, numbers):
        return [f"a/image_{number}.jpg" for number in numbers]

    def images(self, numbers):
        return np.stack([np.full((24, 24, 3), number, np.uint8) for number in numbers])


def judged(predictions):
    return Judged(predictions, Examples(), ("cat", "dog"), "pets", "validation")


def test_misclassified_images_have_prediction_confidence_truth_and_name(monkeypatch):
    texts = texts_drawn(monkeypatch)
    picture = misclassified.draw_misclassified(judged(answers([0, 1, 1], [0, 0, 1], 2, 0.8)))
    assert texts == [
        "validation: 1 of 3 wrong, most confident first",
        "80% cat",
        "is dog",
        "a/image_1.jpg",
    ]
    assert (1, 1, 1) in dict.fromkeys(picture.get_flattened_data())


def test_of_many_misclassified_images_the_most_confident_are_shown(monkeypatch):
    texts = texts_drawn(monkeypatch)
    count = contact_sheet.MAX_TILES + 5
    probabilities = np.linspace(0.6, 0.99, count)
    predictions = Predictions(
        np.ones(count, int), np.stack([probabilities, 1 - probabilities], axis=1)
    )
    misclassified.draw_misclassified(judged(predictions))
    shown = [text for text in texts if text.endswith(".jpg")]
    assert shown == [f"a/image_{count - n}.jpg" for n in range(1, 16)]
    assert texts[0] == "validation: 20 of 20 wrong, most confident first"


def test_none_wrong_is_said(monkeypatch):
    texts = texts_drawn(monkeypatch)
    misclassified.draw_misclassified(judged(answers([0, 1], [0, 1], 2)))
    assert texts == ["validation: none of 2 is wrong"]


@pytest.mark.parametrize("channels_first", [False, True])
def test_a_batch_is_shown_as_the_model_gets_it(monkeypatch, channels_first):
    import tensorflow as tf

    texts = texts_drawn(monkeypatch)
    images = np.zeros((4, 8, 8, 3), np.float32)
    images[1] = [1.0, 0.5, 0.25]
    shown = images.transpose(0, 3, 1, 2) if channels_first else images
    batch = tf.constant(shown), tf.constant([0, 1, 1, 0], tf.int64)
    picture = training_batch.draw_batch(batch, "title", ("cat", "dog"), None)
    assert texts == ["title", "cat", "dog", "dog", "cat"]
    assert (255, 128, 64) in dict.fromkeys(picture.get_flattened_data())


def test_mixed_examples_name_both_classes(monkeypatch):
    import tensorflow as tf

    texts = texts_drawn(monkeypatch)
    labels = tf.constant([[0.3, 0.7, 0.0], [0.0, 0.0, 1.0]])
    training_batch.draw_batch((tf.zeros((2, 8, 8, 3)), labels), "", ("cat", "dog", "cow"), None)
    assert texts[1:] == ["70% dog", "30% cat", "100% cow"]


def test_the_device_s_augmentation_is_applied():
    import tensorflow as tf

    def augment(images, labels, draws):
        return tf.cast(images, tf.float32) / 255.0 + draws[:, None, None, None], labels

    batch = tf.zeros((2, 8, 8, 3), tf.uint8), tf.constant([0, 1]), tf.constant([0.2, 0.4])
    picture = training_batch.draw_batch(batch, "", ("cat", "dog"), augment)
    assert {(51, 51, 51), (102, 102, 102)} <= set(picture.get_flattened_data())


def test_shortened_texts_fit():
    letters = font(16)
    assert shortened("short", letters, 100) == "short"
    assert shortened("a/long/path/to/an/image.jpg", letters, 100, end=True).endswith("image.jpg")
    for end in (True, False):
        assert letters.getlength(shortened("w" * 100, letters, 100, end=end)) <= 100
    assert shortened("two\nlines", letters, 200) == "two\N{REPLACEMENT CHARACTER}lines"


def test_pictures_are_files_that_others_read():
    picture = Image.new("RGB", (30, 20), "red")
    for encode, kind in ((as_png, "PNG"), (as_jpeg, "JPEG")):
        with Image.open(io.BytesIO(encode(picture))) as read:
            assert (read.format, read.size) == (kind, (30, 20))
