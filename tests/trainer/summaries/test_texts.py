"""The texts for TensorBoard, and the row of HPARAMS, say what a run is."""

import dataclasses

from pipelines.tfrecords.manifest import load_manifest
from trainer.config import TrainConfig
from trainer.summaries.hparams import hparams_of
from trainer.summaries.texts import MAX_CLASSES, configuration_text, dataset_text, report_text

WORLD = {"workers": 1, "replicas": 2, "precision": "mixed_float16", "data": "pets"}


def test_flags_that_are_not_the_defaults_come_first():
    text = configuration_text(TrainConfig(epochs=3, run_dir="a|b<i>"), WORLD)
    changed, others = text.split("### As by default")
    assert "| `--epochs` | 3 | 30 |" in changed
    assert "| `--run_dir` | a\\|b&lt;i> | - |" in changed
    assert "| replicas | 2 |" in changed
    for field in dataclasses.fields(TrainConfig):
        assert text.count(f"| `--{field.name}` |") == 1
        assert (f"| `--{field.name}` |" in changed) == (field.name in {"epochs", "run_dir"})


def test_without_a_flag_that_is_said():
    assert configuration_text(TrainConfig(), WORLD).startswith("### All flags have their defaults")


def test_the_data_are_described(data_dir):
    manifest = load_manifest(data_dir)
    text = dataset_text(manifest)
    assert "| class | train | test |" in text
    assert "| circles | 6 | 2 |" in text
    assert "| **all** | 18 | 6 |" in text
    assert manifest.fingerprint in text and manifest.source["fingerprint"] in text
    assert all(f"| {name} |" in text for name in manifest.settings)


def test_of_many_classes_the_largest_are_listed(data_dir):
    manifest = load_manifest(data_dir)
    names = tuple(f"class_{number:04}" for number in range(1000))
    split = dataclasses.replace(manifest.splits["train"], class_counts=tuple(range(1000)))
    text = dataset_text(dataclasses.replace(manifest, class_names=names, splits={"train": split}))
    assert text.count("| class_") == MAX_CLASSES
    assert "| class_0999 | 999 |" in text and "| and 900 smaller classes |" in text


def test_a_report_keeps_its_columns():
    assert report_text("a  b\n 1 2") == "```\na  b\n 1 2\n```"


def test_a_row_has_the_flags_that_matter_and_no_places():
    hparams = hparams_of(TrainConfig(data_dir="/some/where", run_dir="runs/a"), WORLD)
    assert hparams["learning_rate"] == 2e-3 and hparams["optimizer"] == "adam"
    assert hparams["data"] == "pets" and hparams["precision"] == "mixed_float16"
    assert not {name for name in hparams if name.endswith("_dir")}
    assert "/some/where" not in map(str, hparams.values())
    assert not hparams.keys() & {"resume", "keep_checkpoints", "histograms", "clip_norm"}
    assert all(isinstance(value, bool | int | float | str) for value in hparams.values())
