"""Which networks can be asked for, and what is refused before anything is built."""

import dataclasses
import math
import subprocess
import sys

import pytest

from model.registry import NETWORKS, TITLES
from pipelines.runtime.errors import InputError
from trainer.config import TrainConfig
from trainer.model_config import STRIDED, ModelConfig


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "alexnet"}, "received --model=alexnet, expected one of strided_net, residual"),
        ({"activation": "swish"}, "received --activation=swish, expected one of relu, leaky_relu"),
        ({"init": "zeros"}, "received --init=zeros, expected one of he_normal, he_uniform"),
        (
            {"downsampling": "pool"},
            "received --downsampling=pool, expected one of stride, max_pool",
        ),
        ({"padding": "full"}, "received --padding=full, expected one of valid, same"),
        ({"stem_filters": 0}, "received --stem_filters=0, expected at least 1"),
        ({"stem_kernel_size": 0}, "received --stem_kernel_size=0, expected at least 1"),
        ({"dilation": 0}, "received --dilation=0, expected at least 1"),
        ({"dropout": 1.0}, "received --dropout=1.0, expected at least 0 and below 1"),
        ({"dense_dropout": math.nan}, "received --dense_dropout=nan, expected at least 0"),
        ({"batch_norm_momentum": -0.1}, "received --batch_norm_momentum=-0.1"),
        ({"l1": -1.0}, "received --l1=-1.0, expected at least 0"),
        ({"l2": math.nan}, "received --l2=nan"),
        (
            {"image_size": 8, "stem_kernel_size": 9},
            "received --image_size=8 with --stem_kernel_size=9, expected images of at least the "
            "kernel's size; choose a larger --image_size or a smaller --stem_kernel_size.",
        ),
        (
            {"image_size": 8, "stem_kernel_size": 9, "padding": "same"},
            "received --image_size=8 with --stem_kernel_size=9",
        ),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(InputError) as caught:
        TrainConfig(**changes)
    assert message in str(caught.value)


# Another value than the default of each flag that only StridedNet has.
OF_STRIDED_NET = {
    "stem_filters": 32,
    "stem_kernel_size": 5,
    "downsampling": "max_pool",
    "padding": "same",
    "dilation": 2,
    "use_bias": False,
    "dropout": 0.0,
}


@pytest.mark.parametrize("model", [name for name in NETWORKS if name != "strided_net"])
@pytest.mark.parametrize("name", STRIDED)
def test_what_only_strided_net_has_is_refused_with_another(name, model):
    value = OF_STRIDED_NET[name]
    assert getattr(TrainConfig(**{name: value}), name) == value
    with pytest.raises(InputError) as caught:
        TrainConfig(model=model, **{name: value})
    shown = "--nouse_bias" if name == "use_bias" else f"--{name}={value}"
    assert str(caught.value) == (
        f"received {shown} with --model={model}, expected --model=strided_net, which alone has it; "
        "drop one of the two."
    )


def test_others_take_the_smallest_images_and_all_that_is_shared():
    shared = {
        "activation": "gelu",
        "init": "orthogonal",
        "batch_norm": False,
        "dense_dropout": 0.0,
        "l1": 0.1,
        "l2": 0.1,
        "batch_norm_momentum": 0.5,
        "sync_batch_norm": False,
    }
    names = {field.name for field in dataclasses.fields(ModelConfig)}
    names -= {field.name for field in dataclasses.fields(ModelConfig.__base__)}
    assert names == {"model", *shared, *STRIDED}
    for model in NETWORKS:
        assert TrainConfig(model=model, image_size=7, **shared).model == model


def test_every_network_has_a_title():
    assert tuple(TITLES) == NETWORKS and len(set(TITLES.values())) == len(NETWORKS)


def test_flags_are_checked_without_tensorflow():
    code = "import sys, trainer.config; sys.exit(bool({'tensorflow', 'keras'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
