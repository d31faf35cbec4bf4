"""A config that is wrong fails when it is made, with the value in the message."""

import dataclasses
import json
import math
from pathlib import Path

import pytest

from pipelines.augmentation.config import Augmentation
from pipelines.runtime.command import define_flags, parse_config
from pipelines.runtime.errors import InputError
from trainer.config import CONFIG_NAME, TrainConfig
from trainer.input_config import InputConfig
from trainer.model_config import ModelConfig


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "received --epochs=0, expected at least 1"),
        ({"batch_size": 0}, "received --batch_size=0"),
        ({"image_size": 6}, "received --image_size=6, expected at least 7"),
        ({"seed": -1}, "received --seed=-1"),
        ({"seed": 2**32}, "received --seed=4294967296, expected less than 2**32"),
        ({"learning_rate": 0.0}, "received --learning_rate=0.0"),
        ({"learning_rate": math.inf}, "received --learning_rate=inf"),
        ({"label_smoothing": 1.0}, "received --label_smoothing=1.0"),
        ({"virtual_devices": 2}, "add --strategy=mirrored"),
        ({"unwarped_fraction": 1.0}, "received --unwarped_fraction=1.0"),
        ({"warmup_fraction": -0.1}, "received --warmup_fraction=-0.1"),
        ({"decay": 0.1}, "expected --schedule=inverse_time"),
        ({"decay": -0.1, "schedule": "inverse_time"}, "received --decay=-0.1, expected at least 0"),
        ({"warmup_fraction": 1.0}, "received --warmup_fraction=1.0, expected at least 0 and below"),
        ({"momentum": 0.5}, "received --momentum=0.5 with --optimizer=adam, expected --optimizer"),
        ({"momentum": 0.5, "optimizer": "adamw"}, "--momentum=0.5 with --optimizer=adamw"),
        ({"momentum": 1.0, "optimizer": "sgd"}, "received --momentum=1.0, expected at least 0 and"),
        ({"momentum": math.nan, "optimizer": "sgd"}, "received --momentum=nan"),
        ({"weight_decay": 0.1}, "--weight_decay=0.1 with --optimizer=adam, expected --optimizer="),
        ({"weight_decay": -0.1, "optimizer": "sgd"}, "received --weight_decay=-0.1, expected at"),
        ({"clip_norm": 0.0}, "received --clip_norm=0.0, expected a finite number above 0"),
        ({"clip_norm": math.nan}, "received --clip_norm=nan"),
        ({"clip_norm": math.inf}, "received --clip_norm=inf"),
        ({"accumulation_steps": 0}, "received --accumulation_steps=0, expected at least 1"),
        ({"average_decay": 1.0}, "received --average_decay=1.0, expected at least 0 and below 1"),
        ({"average_decay": -0.1}, "received --average_decay=-0.1"),
        ({"early_stopping": 0}, "received --early_stopping=0, expected at least 1"),
        ({"virtual_devices": -1}, "received --virtual_devices=-1, expected at least 0"),
        ({"steps_per_call": 0}, "received --steps_per_call=0, expected at least 1"),
        ({"keep_checkpoints": 0}, "received --keep_checkpoints=0, expected at least 1"),
        ({"check_numbers_every": 0}, "received --check_numbers_every=0, expected at least 1"),
        ({"resume": ""}, "received --resume= without a value, expected auto, never, a run"),
        ({"shard_by": "file"}, "--shard_by=file with --strategy=default, which is of one worker"),
        ({"virtual_devices": 2, "strategy": "multi_worker"}, "which takes the devices that there"),
        ({"worker_timeout": 0.0}, "received --worker_timeout=0.0, expected a finite number of"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(InputError) as caught:
        TrainConfig(**changes)
    assert message in str(caught.value)


@pytest.mark.parametrize("every", ["", "0", "0m", "m", "-5", "1.5m", "10s", "epochs", "5 m", "5\n"])
def test_other_times_to_save_are_refused(every):
    with pytest.raises(InputError) as caught:
        TrainConfig(checkpoint_every=every)
    assert f"received --checkpoint_every={every}, expected epoch, a number of" in str(caught.value)


@pytest.mark.parametrize("every", ["epoch", "1", "500", "1m", "90m"])
def test_times_to_save(every):
    assert TrainConfig(checkpoint_every=every).checkpoint_every == every


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0},
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"warmup_fraction": 0.0, "average_decay": 0.0, "clip_norm": 1e-9},
        {"schedule": "inverse_time", "decay": 0.0, "early_stopping": 1},
    ],
)
def test_the_ends_of_ranges_pass(changes):
    config = TrainConfig(**changes)
    assert {name: getattr(config, name) for name in changes} == changes


def test_is_written_whole(tmp_path):
    config = TrainConfig(classes=("a", "b"), epochs=3)
    config.write(tmp_path)
    written = json.loads((tmp_path / CONFIG_NAME).read_text())
    frozen = {name: tuple(v) if isinstance(v, list) else v for name, v in written.items()}
    assert TrainConfig(**frozen) == config


def test_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().epochs = 3


TUTORIAL_RANGES = {"rotation": 20.0, "width_shift": 0.2, "height_shift": 0.2, "zoom": 0.15}


def recipes():
    return sorted((Path(__file__).parents[2] / "recipes").glob("*.flags"))


@pytest.mark.parametrize("path", recipes(), ids=lambda path: path.stem)
def test_a_recipe_trains_the_network_as_published(path):
    """Dropout is of training alone: the network that is saved and asked has none."""
    config = parse_config(TrainConfig, define_flags(TrainConfig), ["main", f"--flagfile={path}"])
    inputs = {field.name for field in dataclasses.fields(InputConfig)} - {"image_size"}
    in_training = {"dropout", "dense_dropout", "batch_norm_momentum", "l1", "l2"}
    for name, value in dataclasses.asdict(ModelConfig()).items():
        if name not in inputs | in_training:
            assert getattr(config, name) == value, name


def test_the_tutorials_recipe_is_the_tutorials():
    recipe = Path(__file__).parents[2] / "recipes" / "tutorial.flags"
    arguments = ["main", f"--flagfile={recipe}"]
    config = parse_config(TrainConfig, define_flags(TrainConfig), arguments)
    expected = TrainConfig(
        epochs=50,
        batch_size=32,
        learning_rate=1e-4,
        schedule="inverse_time",
        l2=0.0005,
        batch_norm_momentum=0.99,
        label_smoothing=0.0,
        **TUTORIAL_RANGES,
        unwarped_fraction=0.0,
    )
    assert config == expected
    assert config.ranges == Augmentation()


@pytest.mark.parametrize(("epochs", "unwarped"), [(1, 0), (2, 0), (5, 1), (14, 3), (50, 10)])
def test_short_runs_have_fewer_unwarped_epochs(epochs, unwarped):
    assert TrainConfig(epochs=epochs).unwarped_epochs == unwarped


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"augmentation": "none", "rotation": 5.0}, "--rotation=5.0 with --augmentation=none"),
        ({"augmentation": "none", "mixup": 0.2}, "--mixup=0.2 with --augmentation=none"),
        ({"augmentation": "none", "augment_on": "device"}, "--augment_on=device with --augm"),
        ({"cache_dir": "x"}, "--cache_dir=x with --cache=auto, expected --cache=disk"),
        ({"cache": "none", "cache_memory_mb": 5}, "--cache_memory_mb=5 with --cache=none"),
        (
            {"cache": "memory", "data_service": ("grpc://a:1", "grpc://b:2")},
            "--cache=memory with --data_service=grpc://a:1,grpc://b:2",
        ),
        (
            {"oversample": True, "class_weights": "balanced"},
            "--oversample with --class_weights=balanced",
        ),
        ({"strategy": "tpu", "virtual_devices": 2}, "--virtual_devices=2 with --strategy=tpu"),
    ],
)
def test_contradictions_are_refused_with_both_values(values, message):
    with pytest.raises(InputError) as caught:
        TrainConfig(**values)
    assert message in str(caught.value)
    assert "drop" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"decode_ratio": 3}, "--decode_ratio=3, expected 1, 2, 4 or 8"),
        ({"border_crop": 0.5}, "--border_crop=0.5"),
        ({"hue": 0.6}, "--hue=0.6"),
        ({"rotation": float("nan")}, "--rotation=nan"),
        ({"mixup": -1.0}, "--mixup=-1.0"),
        ({"input_readers": 0}, "--input_readers=0, expected at least 1"),
        ({"cache_memory_mb": -1}, "--cache_memory_mb=-1, expected at least 0"),
        ({"data_service": ("localhost:5050",)}, "expected grpc://HOST:PORT"),
        ({"data_service": ("grpc://a:1", "grpc://a:1")}, "names a service twice"),
        ({"unwarped_fraction": 1.0}, "--unwarped_fraction=1.0"),
        ({"worker_timeout": 0.0}, "--worker_timeout=0.0, expected a finite number of seconds"),
        ({"worker_timeout": float("nan")}, "--worker_timeout=nan"),
    ],
)
def test_values_that_cannot_be_are_refused(values, message):
    with pytest.raises(InputError) as caught:
        TrainConfig(**values)
    assert message in str(caught.value)


def test_the_ranges_are_those_of_the_flags():
    tutorial = TrainConfig(**TUTORIAL_RANGES)
    assert tutorial.ranges == Augmentation()
    changed = dataclasses.replace(tutorial, zoom=0.3, cutmix=1.0)
    assert changed.ranges == Augmentation(zoom=0.3, cutmix=1.0)
    assert TrainConfig(augmentation="none").ranges is None
