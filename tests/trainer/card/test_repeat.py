"""The commands in a model card make the same data and the same run."""

import dataclasses

import pytest

from pipelines.make_tfrecords import ConvertConfig
from pipelines.runtime.command import define_flags, parse_config
from pipelines.tfrecords.manifest import Manifest, Settings
from trainer.card.repeat import changed_flags, conversion_command, training_command
from trainer.config import TrainConfig


def manifest_of(settings, kind="folder", name="shapes", classes=("circles", "lines")):
    return Manifest(
        schema_version=3, name="shapes", class_names=classes, splits={}, encoding=settings.encoding,
        image_shape=(None, None, 3), source={"kind": kind, "name": name},
        settings=dataclasses.asdict(settings), rejected=(), normalised={}, remarks={},
        duplicates=(), metadata={},
    )  # fmt: skip


def parsed(config_class, command):
    return parse_config(config_class, define_flags(config_class), command[2:])


@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"epochs": 3, "learning_rate": 0.01, "optimizer": "sgd", "momentum": 0.5},
        {"horizontal_flip": False, "keep_best": True, "classes": ("a", "b c"), "audit": False},
        {"data_dir": "my data/set"},
    ],
)
def test_the_training_command_is_that_of_the_run(flags):
    config = TrainConfig(run_dir="runs/x", resume="never", precision="float32", **flags)
    got = parsed(TrainConfig, training_command(config, "float32"))
    assert got == dataclasses.replace(config, run_dir=None, resume="auto")


def test_the_precision_is_what_auto_came_to():
    assert training_command(TrainConfig(), "mixed_bfloat16")[-1] == "--precision=mixed_bfloat16"
    assert changed_flags(TrainConfig()) == []


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(shards=2, validation_fraction=0.2, group_duplicates=True, seed=3),
        Settings(shards=None, shard_size_mb=1.5, split="stratified"),
        Settings(encoding="raw", image_size=96),
        Settings(encoding="raw", image_size=32, on_bad_image="skip", max_bad_images=3),
    ],
)
def test_the_conversion_command_has_the_settings_of_the_set(settings):
    command = conversion_command(manifest_of(settings), "data/shapes")
    config = parsed(ConvertConfig, command)
    assert config.settings() == settings
    assert config.source == "PATH_TO/shapes" and config.classes == ("circles", "lines")
    assert config.output_dir == "data/shapes"


@pytest.mark.parametrize(
    ("kind", "name", "source"),
    [
        ("caltech101", "caltech101", "caltech101"),
        ("sample", "sample", "sample"),
        ("tfds", "tf_flowers", "tfds:tf_flowers"),
        ("archive", "101_ObjectCategories", "PATH_TO/101_ObjectCategories"),
    ],
)
def test_sources(kind, name, source):
    study = ("Faces", "Leopards", "Motorbikes", "airplanes")
    manifest = manifest_of(Settings(), kind, name, study)
    assert conversion_command(manifest, "data")[3:] == [f"--source={source}", "--output_dir=data"]
