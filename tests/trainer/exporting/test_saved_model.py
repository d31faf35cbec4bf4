"""A SavedModel reads files of images as training did, in TensorFlow alone."""

import io
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines.loading.decode import decode_and_resize
from tests.testing.rounding import assert_same_answers
from trainer.exporting.saved_model import SavedModelRunner, write_saved_model
from trainer.trained_model import load_trained_model

from .conftest import CLASS_NAMES, SIZE

pytestmark = pytest.mark.numerics

# What a user without this project writes, in another folder.
IN_PLAIN_TENSORFLOW = """
import tensorflow as tf
model = tf.saved_model.load("exported")
image = tf.io.read_file("picture.jpg")
answer = model.signatures["encoded_images"](encoded=image[tf.newaxis])
print(answer["class_names"][0].numpy().decode(), float(answer["probability"][0]))
import sys
print(sorted({"keras", "trainer", "pipelines", "model"} & sys.modules.keys()))
"""


@pytest.fixture(scope="module")
def trained(run_dir):
    return load_trained_model(run_dir)


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    write_saved_model(trained.model, trained.description, folder / "exported")
    return folder


@pytest.fixture(scope="module")
def runner(folder):
    return SavedModelRunner(folder / "exported")


def encoded(file_format, mode="RGB", size=(40, 30), seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, file_format)
    return stream.getvalue()


FILES = [encoded("JPEG"), encoded("PNG", size=(16, 50)), encoded("JPEG", "L", (8, 8), seed=1)]


def test_files_are_read_as_in_training(runner, trained):
    pixels = np.stack([decode_and_resize(tf.constant(data), SIZE).numpy() for data in FILES])
    expected = trained.probabilities(pixels)
    answer = runner.encoded_images(FILES)
    assert_same_answers(
        answer["probabilities"], lambda: trained.probabilities(pixels), trained.model
    )
    np.testing.assert_array_equal(answer["probability"], answer["probabilities"].max(axis=1))
    names = [CLASS_NAMES[place] for place in expected.argmax(axis=1)]
    assert [name.decode() for name in answer["class_names"]] == names
    assert runner.class_names() == CLASS_NAMES


def test_a_reduced_scale_is_used_where_training_used_it(make_run, tmp_path):
    trained = load_trained_model(make_run(decode_ratio=4))
    write_saved_model(trained.model, trained.description, tmp_path / "exported")
    large = encoded("JPEG", size=(160, 120))
    pixels = [decode_and_resize(tf.constant(large), SIZE, ratio).numpy() for ratio in (4, 1)]
    received = SavedModelRunner(tmp_path / "exported").encoded_images([large])["probabilities"]
    assert_same_answers(
        received[0], lambda: trained.probabilities(np.stack(pixels))[0], trained.model
    )
    other = trained.probabilities(np.stack(pixels))[1]
    assert np.abs(received[0] - other).max() > 1e-3


def test_bytes_that_are_no_jpeg_or_png_are_an_error_with_their_places(runner, note_fault):
    happened = note_fault("export", "bytes that are no image, sent to a SavedModel")
    with pytest.raises(tf.errors.InvalidArgumentError) as refused:
        runner.encoded_images([FILES[0], b"no image", FILES[1], b"", encoded("GIF")])
    said = str(refused.value)
    happened(said[said.index("assertion") :].splitlines()[0])
    assert "neither JPEG nor PNG, expected images as files hold them" in said
    assert "[1 3 4]" in said


def test_an_image_that_is_cut_is_an_error(runner):
    with pytest.raises(tf.errors.InvalidArgumentError, match="Invalid JPEG data"):
        runner.encoded_images([FILES[0][:300]])


def test_plain_tensorflow_in_another_folder_reads_it(folder, runner):
    (folder / "picture.jpg").write_bytes(FILES[0])
    command = [sys.executable, "-c", IN_PLAIN_TENSORFLOW]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer = runner.encoded_images(FILES[:1])
    (name, probability), modules = done.stdout.splitlines()[0].split(), done.stdout.splitlines()[1]
    assert name == answer["class_names"][0].decode()
    # The same graph in another process, which may have other threads.
    assert float(probability) == pytest.approx(float(answer["probability"][0]), abs=1e-5)
    assert modules in ("[]", "['keras']")
