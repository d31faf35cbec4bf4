"""What an export is compared by."""

import numpy as np
import pytest

from pipelines.runtime.errors import InputError
from trainer.exporting.check import check
from trainer.exporting.checked_images import CheckedImages, checked_images
from trainer.exporting.saved_model import SavedModelRunner
from trainer.model_description import load_description
from trainer.run_data import find_data

NAMES = ("a", "b", "c")
EXPECTED = np.float32([[0.6, 0.3, 0.1], [0.00003, 0.49998, 0.49999]])  # the second is a tie
IMAGES = CheckedImages("two images", [b"0", b"1"], np.array([0, 1], np.uint8)[:, None, None, None])


class Saved(SavedModelRunner):
    """Answers as it is told to, by the number in an image."""

    def __init__(
        self, probabilities=EXPECTED, named=(0, 2), class_names=NAMES, encoded=EXPECTED, best=None
    ):
        self.answers = np.asarray(probabilities)
        self.of_encoded = np.asarray(encoded)
        self.best = self.of_encoded.max(axis=1) if best is None else np.float32(best)
        self.named = np.array([NAMES[place].encode() for place in named])
        self.names = class_names

    def probabilities(self, images):
        return self.answers[np.rint(images.ravel() * 255).astype(int)]

    def encoded_images(self, encoded):
        places = [int(data) for data in encoded]
        return {
            "class_names": self.named[places],
            "probability": self.best[places],
            "probabilities": self.of_encoded[places],
        }

    def class_names(self):
        return self.names


def changed(place, value):
    answers = EXPECTED.copy()
    answers[place] = value
    return answers


@pytest.mark.parametrize(
    ("runner", "difference"),
    [
        (Saved(), 0),
        (Saved(changed((0, 2), 0.10005)), 5e-5),
        (Saved(named=(0, 1)), 0),  # of two that are as good as equal, either
    ],
)
def test_what_is_near_enough_passes(runner, difference):
    found = check(runner, IMAGES, EXPECTED, NAMES)
    assert found.images == 2
    assert found.difference == pytest.approx(difference, abs=1e-7)
    assert found.milliseconds >= 0
    assert found.encoded_milliseconds >= 0


@pytest.mark.parametrize(
    ("runner", "message"),
    [
        (Saved(changed((0, 2), 0.1002)), "differ by 0.0002 from the model's, expected 0.0001"),
        (Saved(changed((1, 0), np.nan)), "differ by inf"),
        (Saved(EXPECTED[:, :2]), "differ by inf"),
        (Saved(named=(1, 2)), "the class 'b' for image 0, expected 'a'"),
        (Saved(encoded=changed((0, 2), 0.1002)), "differ by 0.0002 from the model's"),
        (Saved(best=[0.6, 0.3]), "differ by 0.2 from the model's"),
        (Saved(class_names=("b", "a", "c")), "the classes b, a, c, expected a, b, c"),
    ],
)
def test_what_is_not_is_refused(runner, message):
    with pytest.raises(InputError, match=message):
        check(runner, IMAGES, EXPECTED, NAMES)


def test_pixels_that_are_stored_are_checked_as_files_of_the_same_pixels(
    make_finished_set, run_dir, source
):
    description = load_description(run_dir)
    raw = make_finished_set(encoding="raw", image_size=16, shards=2)
    stored = checked_images(find_data(run_dir, description, str(raw)), description)
    decoded = checked_images(source, description)
    assert stored.source == decoded.source == "shapes, test split"
    np.testing.assert_array_equal(stored.pixels, decoded.pixels)
    assert stored.encoded[0].startswith(b"\x89PNG")
    assert decoded.encoded[0].startswith(b"\xff\xd8")
