"""Which flags may differ in a run that goes on, and which runs can be given other epochs."""

import dataclasses

import pytest

from trainer.config import TrainConfig
from trainer.run_state import RunState
from trainer.same_run import differences, why_not_extended

# Every flag is in one of these lists: whoever adds one decides whether it makes another run.
FREE = {
    "data_dir", "verify_data", "classes", "augment_on", "input_threads", "input_readers", "cache",
    "cache_dir", "cache_memory_mb", "data_service", "strategy", "virtual_devices", "precision",
    "steps_per_call", "run_dir", "checkpoint_every", "keep_checkpoints", "resume",
    "check_numbers_every", "worker_timeout", "summary_every", "histograms", "profile_steps",
    "pictures", "audit",
}  # fmt: skip
BINDING = {
    "image_size", "batch_size", "seed", "decode_ratio", "augmentation", "rotation", "width_shift",
    "height_shift", "shear", "zoom", "horizontal_flip", "aspect_jitter", "border_crop",
    "black_fill", "brightness", "contrast", "saturation", "hue", "greyscale", "blur", "erasing",
    "mixup", "cutmix",
    "unwarped_fraction", "shuffle_buffer", "oversample", "l2", "batch_norm_momentum",
    "sync_batch_norm", "optimizer", "learning_rate", "momentum", "weight_decay", "schedule",
    "warmup_fraction", "decay", "clip_norm", "accumulation_steps", "average_decay",
    "label_smoothing", "class_weights", "keep_best", "early_stopping", "shard_by", "model",
    "stem_filters", "stem_kernel_size", "downsampling", "padding", "dilation", "activation",
    "use_bias", "batch_norm", "dropout", "dense_dropout", "init", "l1",
}  # fmt: skip
ASKED_SEPARATELY = {"epochs"}


def test_every_flag_binds_or_is_free():
    fields = {field.name for field in dataclasses.fields(TrainConfig)}
    assert fields - FREE - BINDING - ASKED_SEPARATELY == set(), "decide whether it binds"
    assert (FREE | BINDING | ASKED_SEPARATELY) - fields == set(), "no flag any more"


def with_another(name):
    """A run's flags in which this one had another value."""
    return TrainConfig().as_json() | {name: "another"}


@pytest.mark.parametrize("name", sorted(BINDING))
def test_binding_flags_are_told(name):
    now = TrainConfig().as_json()[name]
    assert differences(with_another(name), TrainConfig()) == [f"--{name}=another is now {now}"]


@pytest.mark.parametrize("name", sorted(FREE | ASKED_SEPARATELY))
def test_free_flags_may_differ(name):
    assert differences(with_another(name), TrainConfig()) == []


def test_all_differences_are_told_in_the_order_of_the_flags():
    old = TrainConfig(seed=3, optimizer="sgd", image_size=64).as_json()
    assert differences(old, TrainConfig()) == [
        "--image_size=64 is now 96", "--seed=3 is now 0", "--optimizer=sgd is now adam",
    ]  # fmt: skip


def test_a_flag_that_a_run_did_not_have_yet_is_no_difference():
    old = TrainConfig().as_json()
    del old["clip_norm"]
    assert differences(old, TrainConfig(clip_norm=1.0)) == []


def test_the_augmentation_has_had_another_name():
    old = TrainConfig().as_json() | {"augmentation": "tutorial"}
    assert differences(old, TrainConfig()) == []


CONSTANT = {"schedule": "constant", "augmentation": "none"}
WARPED = {"schedule": "constant"}  # the last fifth of the epochs only mirrors the images


@pytest.mark.parametrize(
    ("flags", "old", "new", "step", "why"),
    [
        ({}, 5, 5, 3, ""),
        ({}, 5, 6, 3, "--schedule=cosine falls to 0"),
        ({}, 5, 4, 3, "--schedule=cosine falls to 0"),
        (CONSTANT, 5, 50, 20, ""),
        (CONSTANT, 5, 3, 12, ""),
        (CONSTANT, 5, 2, 9, "9 steps have been taken, which is more"),
        (CONSTANT, 5, 2, 8, ""),
        (CONSTANT | {"warmup_fraction": 0.1}, 5, 6, 3, "--warmup_fraction is a share of --epochs"),
        (CONSTANT | {"warmup_fraction": 0.0}, 5, 6, 3, ""),
        (CONSTANT | {"schedule": "inverse_time"}, 5, 6, 3, "follows from --epochs unless --decay"),
        (CONSTANT | {"schedule": "inverse_time", "decay": 0.1}, 5, 6, 3, ""),
        (WARPED, 5, 10, 16, ""),  # four epochs warp, and they are over
        (WARPED, 5, 10, 17, "its last epochs only mirrored the images"),
        (WARPED, 5, 10, 20, "its last epochs only mirrored the images"),
        (WARPED, 10, 5, 16, ""),
        (WARPED, 10, 5, 17, "its last epochs only mirrored the images"),
        (WARPED | {"unwarped_fraction": 0.0}, 5, 10, 20, ""),
        (WARPED, 2, 4, 8, ""),  # of two epochs, none only mirrors
    ],
)
def test_runs_that_can_be_extended(flags, old, new, step, why):
    held = TrainConfig(**flags, epochs=old).as_json()
    got = why_not_extended(held, TrainConfig(**flags, epochs=new), RunState(step=step), 4)
    assert (why in got) if why else (got == "")
