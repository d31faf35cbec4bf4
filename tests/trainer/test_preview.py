"""The picture of the augmentation, as a user asks for it."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.runtime.errors import InputError
from trainer.augmentation_grid import draw_augmentations
from trainer.input_config import InputConfig

ROOT = Path(__file__).parents[2]


def preview(*flags):
    command = [sys.executable, "-m", "trainer.preview", "--image_size=16", *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_draws_a_picture(data_dir, tmp_path):
    grid = tmp_path / "grid.png"
    done = preview(f"--data_dir={data_dir}", f"--grid={grid}", "--hue=0.2", "--cutmix=1")
    assert done.returncode == 0, done.stderr
    assert f"image 0 under 24 draws: {grid}" in done.stdout
    with Image.open(grid) as image:
        assert image.format == "PNG"
        assert image.width > 500


def pixels(data_dir, number=3, **changes):
    config = InputConfig(data_dir=str(data_dir), image_size=16, **changes)
    with Image.open(io.BytesIO(draw_augmentations(config, number))) as image:
        return np.asarray(image.convert("RGB"), int)


def test_the_seed_the_image_and_the_ranges_decide_what_is_drawn(data_dir):
    first = pixels(data_dir)
    np.testing.assert_array_equal(pixels(data_dir), first)
    for changes in ({"seed": 1}, {"number": 4}, {"brightness": 0.5}, {"augmentation": "none"}):
        other = pixels(data_dir, **changes)
        assert other.shape != first.shape or (other != first).any(), changes


def test_an_image_that_is_not_there_is_refused(data_dir):
    with pytest.raises(InputError, match="received --image=18, expected less than the 18 training"):
        pixels(data_dir, 18)


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (("--grid=grid.jpg",), 2, "received --grid=grid.jpg, expected a file name in .png"),
        (("--image=-1",), 2, "received --image=-1, expected at least 0"),
        (("--hue=1",), 2, "received --hue=1"),
        (("--grid=nowhere/grid.png",), 1, "received --grid=nowhere/grid.png, which cannot be"),
    ],
)
def test_wrong_flags_are_one_line(data_dir, flags, status, message):
    done = preview(f"--data_dir={data_dir}", *flags)
    assert done.returncode == status
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
