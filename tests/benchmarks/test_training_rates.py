"""What training_peers times: that each step and each of Keras' epochs really is one."""

import pytest

from benchmarks.measured_process import run_measured
from benchmarks.training_images import write_images


@pytest.fixture
def images(data_dir, image_folder, tmp_path):
    """Training and test images of the set, in folders of their classes."""
    directory = tmp_path / "images"
    counts = {
        part: write_images(data_dir, image_folder, directory / part, part)
        for part in ("train", "test")
    }
    return directory, counts


@pytest.mark.parametrize("name", ["ours", "keras"])
def test_a_step_takes_its_time(images, data_dir, name):
    arguments = ("step", name, "float32", images[0], data_dir, 2)
    measured = run_measured("-m", "benchmarks.training_rates", *arguments)
    assert 0 < float(measured.output) < measured.seconds


def test_keras_trains_for_the_epochs_and_evaluates_each(images):
    directory, counts = images
    arguments = ("epochs", "keras", "float32", directory, 2, 0)
    lines = run_measured("-m", "benchmarks.training_rates", *arguments).output.splitlines()
    epochs = [line.split() for line in lines if line.startswith("epoch ")]
    assert [int(epoch[1]) for epoch in epochs] == [counts["train"]] * 2
    for epoch in epochs:
        assert float(epoch[2]) > 0
        right = float(epoch[3]) * counts["test"]
        assert right == pytest.approx(round(right), abs=1e-4)
