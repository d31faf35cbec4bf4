"""A run's model comes back as it was written, or not at all."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from pipelines.runtime.errors import InputError
from tests.testing.rounding import assert_same_answers
from trainer.model_description import ModelDescription, load_description, sha256_of
from trainer.trained_model import load_trained_model, save_trained_model

pytestmark = pytest.mark.numerics

SIZE = 8
DESCRIPTION = ModelDescription(
    "strided_net", ("cats", "dögs"), SIZE, 1, "pets", "0123abcd" * 8, "float32", 386, 384
)


def small_model(*more):
    layers = keras.layers
    stack = [keras.Input((SIZE, SIZE, 3)), layers.Flatten(), layers.Dense(2, "softmax")]
    return keras.Sequential([*stack, *more])


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("run")
    keras.utils.set_random_seed(1)
    model = small_model()
    save_trained_model(run_dir, model, DESCRIPTION)
    return run_dir, model


@pytest.fixture
def run_dir(written, tmp_path):
    shutil.copytree(written[0], tmp_path / "run")
    return tmp_path / "run"


def test_comes_back(written):
    run_dir, model = written
    trained = load_trained_model(run_dir)
    assert trained.description == ModelDescription(
        **{**vars(DESCRIPTION), "sha256": sha256_of(run_dir / "model.keras")}
    )
    images = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
    assert_same_answers(
        trained.probabilities(images), lambda: model(images / np.float32(255)), model
    )
    assert "[0, 1], (batch, 8, 8, 3)" in json.loads((run_dir / "model.json").read_text())["input"]


def no_directory(run_dir: Path):
    shutil.rmtree(run_dir)


def a_changed_byte(run_dir: Path):
    data = bytearray((run_dir / "model.keras").read_bytes())
    data[len(data) // 2] ^= 1
    (run_dir / "model.keras").write_bytes(data)


def a_lambda_layer(run_dir: Path):
    save_trained_model(run_dir, small_model(keras.layers.Lambda(lambda x: x)), DESCRIPTION)


def only_an_h5_file(run_dir: Path):
    (run_dir / "model.keras").rename(run_dir / "model.h5")


def no_description(run_dir: Path):
    (run_dir / "model.json").unlink()
    (run_dir / "config.json").write_text("{}")


def a_description_cut_short(run_dir: Path):
    (run_dir / "model.json").write_text((run_dir / "model.json").read_text()[:40])


def a_description_without_classes(run_dir: Path):
    values = json.loads((run_dir / "model.json").read_text())
    del values["class_names"]
    (run_dir / "model.json").write_text(json.dumps(values))


def other_outputs(run_dir: Path):
    save_trained_model(run_dir, small_model(keras.layers.Dense(3)), DESCRIPTION)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (no_directory, "which does not exist"),
        (a_changed_byte, "it was changed since it was written"),
        (a_lambda_layer, "which Keras does not load .*Lambda.*without Lambda layers"),
        (only_an_h5_file, r"without model.keras \(but model.h5: .h5 files are not read\)"),
        (no_description, "without model.json, .* train on with trainer.main"),
        (a_description_cut_short, "whose model.json cannot be read"),
        (a_description_without_classes, "whose model.json cannot be read .'class_names'."),
        (other_outputs, "with 3 outputs, expected 2 for the classes of model.json"),
    ],
)
def test_what_is_no_model_as_it_was_written_is_refused(run_dir, damage, message, note_fault):
    happened = note_fault("model", damage.__name__.replace("_", " "))
    damage(run_dir)
    with pytest.raises(InputError, match=message) as refused:
        load_trained_model(run_dir)
    happened(refused.value)


def test_a_file_in_place_of_a_run_directory_is_refused(run_dir):
    for name in ("model.keras", "missing.h5"):
        with pytest.raises(InputError, match="a file, expected the directory of a finished run"):
            load_description(run_dir / name)
