"""The limits of the augmentation: which are refused, and what they switch on."""

import dataclasses
import math
import subprocess
import sys

import pytest

from pipelines.augmentation.config import Augmentation
from pipelines.runtime.errors import InputError

NOTHING = Augmentation(
    rotation=0, width_shift=0, height_shift=0, shear=0, zoom=0, horizontal_flip=False
)
GREATEST = {
    "rotation": 180,
    "width_shift": 1,
    "height_shift": 1,
    "shear": 89.9,
    "zoom": 0.99,
    "aspect_jitter": 10,
    "border_crop": 0.49,
    "black_fill": 1,
    "brightness": 1,
    "contrast": 1,
    "saturation": 1,
    "hue": 0.5,
    "greyscale": 1,
    "blur": 10,
    "erasing": 1,
    "mixup": 1e9,
    "cutmix": 1e9,
}
TOO_GREAT = {
    "rotation": 180.1,
    "width_shift": 1.01,
    "height_shift": 1.01,
    "shear": 90,
    "zoom": 1,
    "aspect_jitter": 10.1,
    "border_crop": 0.5,
    "black_fill": 1.01,
    "brightness": 1.01,
    "contrast": 1.01,
    "saturation": 1.01,
    "hue": 0.51,
    "greyscale": 1.01,
    "blur": 10.1,
    "erasing": 1.01,
    "mixup": math.inf,
    "cutmix": math.inf,
}


def test_every_range_is_among_those_tried():
    fields = {field.name for field in dataclasses.fields(Augmentation)} - {"horizontal_flip"}
    assert fields == set(GREATEST) == set(TOO_GREAT)


@pytest.mark.parametrize("name", GREATEST)
def test_greatest_values_are_accepted(name):
    assert getattr(Augmentation(**{name: GREATEST[name]}), name) == GREATEST[name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *TOO_GREAT.items(),
        *((name, -0.01) for name in TOO_GREAT),
        *((name, math.nan) for name in TOO_GREAT),
        *((name, math.inf) for name in TOO_GREAT),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(name, value):
    with pytest.raises(InputError) as caught:
        Augmentation(**{name: value})
    assert f"received --{name}={value}, expected a number of at least 0" in str(caught.value)


def test_the_defaults_warp_and_nothing_else():
    assert Augmentation().warps
    assert not Augmentation().jitters_color
    assert not Augmentation().mixes
    assert not NOTHING.warps


@pytest.mark.parametrize(
    ("change", "on"),
    [
        *(({name: 0.1}, "warps") for name in list(GREATEST)[:7]),
        ({"horizontal_flip": True}, "warps"),
        *(({name: 0.1}, "jitters_color") for name in list(GREATEST)[8:13]),
        ({"mixup": 0.1}, "mixes"),
        ({"cutmix": 0.1}, "mixes"),
    ],
)
def test_each_range_switches_its_stage_on(change, on):
    augmentation = dataclasses.replace(NOTHING, **change)
    assert {
        name for name in ("warps", "jitters_color", "mixes") if getattr(augmentation, name)
    } == {on}


def test_a_config_can_be_checked_before_tensorflow_is_imported():
    code = "import sys, pipelines.augmentation.config; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
