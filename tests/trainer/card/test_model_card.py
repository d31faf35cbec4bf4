"""What a model card says of a run."""

import dataclasses
import json
import re

import numpy as np
import pytest

from pipelines.tfrecords.manifest import load_manifest, open_dataset
from tests.trainer.judging.toys import judged_of
from trainer.card.finished_run import FinishedRun
from trainer.card.licence import NOT_KNOWN, licence_of
from trainer.card.markdown import escaped
from trainer.card.model_card import model_card
from trainer.card.shortcuts import audit_sample
from trainer.config import TrainConfig
from trainer.history import EpochRecord, EvalMetrics, TrainMetrics
from trainer.model_description import ModelDescription
from trainer.report import TrainingFigures, make_report
from trainer.run_state import RunState

AUDIT = {
    "train_images": 18,
    "test_images": 6,
    "baselines": [
        {"name": "most frequent class", "of": "none", "accuracy": 0.4, "balanced_accuracy": 0.3},
        {"name": "size", "of": "width and height", "accuracy": 0.996, "balanced_accuracy": 0.99},
    ],
    "best": "size",
}


@pytest.fixture
def run(data_dir):
    manifest = load_manifest(data_dir)
    metrics = TrainMetrics(1.0, 0.5, 1.0, 300.0, 0.1, 0.0)
    records = [
        EpochRecord(n, 4 * n, metrics, EvalMetrics(1 / n, 0.5, [0.5] * 3)) for n in (1, 2, 3)
    ]
    judged = judged_of([0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 2, 0], manifest.class_names)
    report = make_report(judged, TrainingFigures(61.4, 300.0, 0.1))
    names = manifest.class_names
    return FinishedRun(
        config=TrainConfig(epochs=5, keep_best=True, data_dir="my data"),
        manifest=manifest,
        description=ModelDescription(
            "strided_net", names, 96, 1, "shapes", "f" * 64, "float32", 12_345, 67_890
        ),
        trainable_parameters=12_000,
        state=RunState(12, records=records),
        world={"workers": 2, "replicas": 4, "precision": "float32"},
        device="GPU",
        report=report.values,
        audit=AUDIT,
        pictures=frozenset({"confusion_matrix.png"}),
    )


def test_says_what_was_trained_how_and_on_what(run):
    card = model_card(run)
    for text in (
        "# StridedNet on shapes\n",
        "**83.3% of 6 test images right** (95% interval 43.6% to 97.0%)",
        "| parameters | 12,345, of which 12,000 were trained |",
        "| multiply-adds of an image | 67,890 |",
        "| circles | 6 | 2 |",
        "| all | 18 | 6 |",
        f"| shards | fingerprint `{run.manifest.fingerprint}` |",
        f"| licence of the images | {NOT_KNOWN} |",
        "| length | 3 epochs of 4 steps, ended early of 5; the weights of epoch 3 were kept |",
        "| devices | 4 replicas on GPU, 2 workers, `--strategy=default` |",
        "| time | 61 s, 300 images/s |",
        "| flags that are not the defaults | `--epochs=5` `--keep_best` |",
        "| squares | 50.0% | 9.5% to 90.5% | 100.0% | 66.7% | 2 |",
        "![Confusion matrix: counts, and rates of each true class](confusion_matrix.png)",
        "| size: width and height | 99.6% | 99.0% |",
        "| **this model** | **83.3%** | **83.3%** |",
        "trainer.main '--data_dir=my data' --keep_best --epochs=5 --precision=float32",
        "selected on the validation split",
        "each class has fewer than 100",
        "The size alone tells the classes apart with an accuracy of 99.6%: the 83.3% of this "
        "model do not show that it looks at what is in the pictures.",
        "| keras | ",
    ):
        words = text.split() if text.startswith("trainer.main") else [text]
        assert all(word in card for word in words), text
    assert "misclassified.png" not in card


def test_every_table_is_whole(run):
    """Each row has as many cells as its head, or GitHub shows something else."""
    card = model_card(run)
    for block in card.split("\n\n"):
        lines = block.splitlines()
        if lines[0].startswith("|"):
            cells = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
            assert len(cells) == 1 and len(lines) > 2, block


def test_without_audit_or_pictures_it_says_so(run):
    card = model_card(dataclasses.replace(run, audit=None, pictures=frozenset()))
    assert "the run had `--noaudit`" in card and "the run had `--nopictures`" in card
    assert "was not looked into (`--noaudit`)" in card


def test_names_are_shown_as_they_are():
    assert escaped("a|b") == "a\\|b"
    assert escaped("<img>") == "\\<img\\>"
    assert escaped("BACKGROUND_Google") == "BACKGROUND_Google"
    assert escaped("__init__ $x$") == "\\_\\_init\\_\\_ \\$x\\$"
    assert escaped("two\nlines") == "'two\\\\nlines'"


def test_many_classes_are_not_all_in_the_tables(run):
    names = tuple(f"class {n:04}" for n in range(300))
    labels = np.arange(600) % 300
    predicted = np.where(labels < 7, labels + 1, labels)
    report = make_report(judged_of(labels, predicted, names), TrainingFigures(1.0, 1.0, 0.0))
    splits = {
        name: dataclasses.replace(split, class_counts=(1,) * 300)
        for name, split in run.manifest.splits.items()
    }
    many = dataclasses.replace(
        run,
        manifest=dataclasses.replace(run.manifest, class_names=names, splits=splits),
        description=dataclasses.replace(run.description, class_names=names),
        report=report.values,
    )
    card = model_card(many)
    assert "The 40 of 300 classes with the lowest recall" in card
    assert "and 260 more, in `model.json`" in card and "| and 260 more |  |  |" in card
    assert "| class 0003 | 0.0% |" in card
    assert len(card.splitlines()) < 250


@pytest.fixture
def in_tfds(tmp_path, monkeypatch):
    def write(version, **values):
        path = tmp_path / "flowers" / version / "dataset_info.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"name": "flowers", **values}))

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    return write


def source(run, kind, name):
    return dataclasses.replace(run.manifest, source={"kind": kind, "name": name})


def test_licences(run, in_tfds):
    assert licence_of(source(run, "sample", "sample")).startswith("Apache-2.0")
    assert licence_of(source(run, "caltech101", "caltech101")).startswith("CC BY 4.0")
    assert licence_of(source(run, "folder", "caltech101")) == NOT_KNOWN
    assert licence_of(source(run, "tfds", "flowers")) == NOT_KNOWN
    in_tfds("1.0.0", redistributionInfo={"license": "CC BY 2.0"})
    assert licence_of(source(run, "tfds", "flowers")) == "CC BY 2.0"
    in_tfds("2.0.0")
    assert licence_of(source(run, "tfds", "flowers")) == NOT_KNOWN  # the versions differ


def test_the_audit_of_a_sample(data_dir):
    audit = audit_sample(open_dataset(data_dir), most=4)
    assert (audit["train_images"], audit["test_images"]) == (4, 4)
    whole = audit_sample(open_dataset(data_dir))
    assert (whole["train_images"], whole["test_images"]) == (18, 6)
    assert [one["name"] for one in whole["baselines"]] == [
        "most frequent class", "size", "aspect ratio", "border", "thumbnail",
    ]  # fmt: skip
