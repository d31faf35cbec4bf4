"""`--cache=disk` of the trainer."""

import os
import shutil

import keras
import numpy as np
import pytest

from pipelines.tfrecords.manifest import load_manifest
from trainer.checkpoint import read_meta
from trainer.checkpoint_files import checkpoints_in
from trainer.config import TrainConfig
from trainer.inputs import checked_dataset, prepare_inputs
from trainer.model_description import load_description
from trainer.train import train

# float32, since TensorFlow's bfloat16 gradients of strided convolutions are partly uninitialised on
# maps of one pixel.
SMALL = {"image_size": 12, "batch_size": 4, "epochs": 2, "precision": "float32"}


@pytest.fixture
def shapes(data_dir, tmp_path):
    return shutil.copytree(data_dir, tmp_path / "shapes")


def prepared(data_dir, **changes):
    config = TrainConfig(data_dir=str(data_dir), cache="disk", **{**SMALL, **changes})
    return prepare_inputs(config, checked_dataset(config))


@pytest.mark.usefixtures("small_network")
def test_a_run_from_the_disk_is_the_same_run(shapes, tmp_path, capsys):
    def run(name, cache):
        run_dir = tmp_path / name
        config = TrainConfig(data_dir=str(shapes), run_dir=str(run_dir), cache=cache, **SMALL)
        weights = keras.models.load_model(train(config) / "model.keras").get_weights()
        lines = capsys.readouterr().out.splitlines()
        return weights, next(line for line in lines if line.startswith("cache "))

    plain, _ = run("plain", "none")
    for name, word in (("first", "made"), ("second", "found")):
        weights, line = run(name, "disk")
        told = f"cache     disk: {word} in {shapes}.cache: 24 images of 12x12 pixels, 15 kB"
        assert line == told
        for one, other in zip(weights, plain, strict=True):
            np.testing.assert_array_equal(one, other)
        # What it is called after is the data set, and not the pixels made of it.
        fingerprint = load_manifest(shapes).fingerprint
        assert load_description(tmp_path / name).data_fingerprint == fingerprint
        newest = checkpoints_in(tmp_path / name / "checkpoints")[-1]
        assert read_meta(newest)["data"] == fingerprint


def test_all_choices_reach_the_decoder(shapes, tmp_path):
    cache = tmp_path / "elsewhere"
    inputs = prepared(shapes, cache_dir=str(cache), decode_ratio=2)
    assert str(inputs.dataset.directory) == str(cache)
    assert inputs.manifest == load_manifest(cache)
    assert inputs.manifest.settings["decode_ratio"] == 2
    assert (inputs.options.decode_ratio, inputs.options.cache) == (1, "none")
    assert not (tmp_path / "shapes.cache").exists()


def test_a_set_of_pixels_is_read_as_it_is(shapes, tmp_path):
    pixels = prepared(shapes).dataset.directory
    before = sorted(os.listdir(tmp_path))
    inputs = prepared(pixels)
    assert (inputs.dataset.directory, inputs.manifest) == (pixels, load_manifest(pixels))
    assert inputs.cache.reason == f"{pixels} holds pixels already, which are read as they are"
    assert sorted(os.listdir(tmp_path)) == before
