"""A whole run: what it leaves behind, that it repeats bit for bit, what it refuses."""

import csv
import dataclasses
import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from model.registry import multiply_adds
from pipelines.loading.dataset import eval_batches
from pipelines.loading.decode import decode_to_pixels
from pipelines.loading.options import InputOptions
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import (
    LABELS_NAME,
    MANIFEST_NAME,
    SCHEMA_VERSION,
    ShardedDataset,
    load_manifest,
    open_dataset,
)
from pipelines.tfrecords.reader import picked_examples
from pipelines.tfrecords.record import frame_record, read_records
from tests.small_network import build_small
from trainer import precision
from trainer.checkpoint import Checkpoint
from trainer.comparison.runs import read_run
from trainer.config import TrainConfig
from trainer.loop import Loop
from trainer.run_output import RunOutput
from trainer.train import train
from trainer.trained_model import load_trained_model

ROOT = Path(__file__).parents[2]
SMALL = {"image_size": 16, "batch_size": 4, "epochs": 2, "pictures": False, "audit": False}
# float32, since op by op bfloat16 rounds otherwise than in the graph of the run.
WHOLE = SMALL | {"pictures": True, "audit": True, "precision": "float32"}


@pytest.fixture(scope="module")
def run_dir(data_dir, tmp_path_factory):
    base = tmp_path_factory.mktemp("runs")
    return train(TrainConfig(data_dir=str(data_dir), run_dir=str(base / "first"), **WHOLE))


@pytest.fixture(scope="module")
def small_run(data_dir, tmp_path_factory):
    """The same with the small network."""
    run_dir = tmp_path_factory.mktemp("runs") / "small"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.loop_setup.build_model", build_small)
        return train(TrainConfig(data_dir=str(data_dir), run_dir=str(run_dir), **SMALL))


def weights(path):
    return keras.models.load_model(path / "model.keras").get_weights()


def test_leaves_everything_behind(run_dir):
    expected = {
        "README.md", "checkpoints", "config.json", "confusion_matrix.png", "filters.png",
        "grad_cam.png", "history.csv", "misclassified.png", "model.json", "model.keras", "plot.png",
        "reliability.png", "report.json", "report.txt", "test", "train",
    }  # fmt: skip
    found = {path.name for path in run_dir.iterdir()}
    (events,) = (name for name in found if "tfevents" in name)
    assert found - {events} == expected
    checkpoints = [path.name for path in sorted((run_dir / "checkpoints").iterdir())]
    assert checkpoints == ["step-0000000004.npz", "step-0000000008.npz"]
    with Image.open(run_dir / "plot.png") as plot:
        assert min(plot.size) > 500


def test_report_is_that_of_the_saved_model(run_dir, data_dir):
    report = json.loads((run_dir / "report.json").read_text())
    manifest = load_manifest(data_dir)
    model = keras.models.load_model(run_dir / "model.keras")
    options = InputOptions(image_size=16, batch_size=4)
    right = total = 0
    for images, labels, counted in eval_batches(
        ShardedDataset(data_dir, manifest), "test", options
    ):
        hits = np.argmax(model(images, training=False), axis=1) == labels.numpy()
        right += int(np.sum(hits * counted.numpy()))
        total += int(np.sum(counted))
    assert report["split"] == "test"
    assert report["examples"] == total == manifest.splits["test"].num_examples
    assert report["accuracy"] == pytest.approx(right / total)
    assert set(report["per_class"]) == set(manifest.class_names)
    assert sum(values["support"] for values in report["per_class"].values()) == total
    assert report["train_seconds"] > 0 and report["images_per_second"] > 0
    text = (run_dir / "report.txt").read_text()
    assert all(name in text for name in manifest.class_names)


@pytest.mark.parametrize(
    ("validation_fraction", "flags", "evaluations"),
    [(0.0, {}, 2), (0.25, {}, 3), (0.25, {"keep_best": True}, 3)],
)
@pytest.mark.usefixtures("small_network")
def test_the_test_split_is_asked_again_only_where_the_answers_are_not_there(
    make_finished_set, tmp_path, monkeypatch, validation_fraction, flags, evaluations
):
    asked, predict = [], Loop.predict
    monkeypatch.setattr(Loop, "predict", lambda *args: asked.append(1) or predict(*args))
    data_dir = make_finished_set(validation_fraction=validation_fraction)
    run_dir = str(tmp_path / "run")
    train(TrainConfig(data_dir=str(data_dir), run_dir=run_dir, **SMALL, **flags))
    assert len(asked) == evaluations


def test_the_card_shows_the_pictures_that_are_there(run_dir):
    card = (run_dir / "README.md").read_text()
    shown = set(re.findall(r"!\[[^]]+\]\((.*?)\)", card))
    assert shown == {path.name for path in run_dir.glob("*.png")} and len(shown) == 6
    assert "size: width and height" in card


def test_the_code_of_the_card_answers_as_the_run_did(run_dir, data_dir, monkeypatch, capsys):
    code = re.search(r"```python\n(.*?)```", (run_dir / "README.md").read_text(), re.DOTALL)[1]
    (example,) = picked_examples(open_dataset(data_dir), "test", [0])
    (run_dir.parent / "picture.jpg").write_bytes(example.image)
    monkeypatch.chdir(run_dir)
    exec(code.replace("PICTURE.jpg", "../picture.jpg"))
    name, confidence = capsys.readouterr().out.split()
    trained = load_trained_model(run_dir)
    pixels = np.frombuffer(decode_to_pixels(example.image, 16), np.uint8).reshape(1, 16, 16, 3)
    (probabilities,) = trained.probabilities(pixels)
    # Pillow and TensorFlow decode and resize, to a grey level or two: of a near tie, either class.
    said = probabilities[trained.class_names.index(name)]
    assert said == pytest.approx(probabilities.max(), abs=0.02)
    assert float(confidence) == pytest.approx(said, abs=0.02)


def test_pictures_of_an_earlier_end_go(data_dir, tmp_path):
    flags = {"schedule": "constant", "unwarped_fraction": 0.0, "warmup_fraction": 0.0}
    run_dir = tmp_path / "run"
    config = TrainConfig(data_dir=str(data_dir), run_dir=str(run_dir), **WHOLE | flags)
    train(dataclasses.replace(config, epochs=1, audit=False))
    assert (run_dir / "grad_cam.png").exists()
    train(dataclasses.replace(config, pictures=False, audit=False))
    assert [path.name for path in run_dir.glob("*.png")] == ["plot.png"]
    card = (run_dir / "README.md").read_text()
    assert "`--nopictures`" in card and "`--noaudit`" in card and "grad_cam" not in card


def test_a_comparison_reads_what_the_run_has_left(run_dir):
    run = read_run(run_dir)
    model = keras.models.load_model(run_dir / "model.keras")
    assert run.parameters == model.count_params()
    assert run.multiply_adds == multiply_adds(model)
    assert (run.evaluated_split, len(run.epochs)) == ("test", 2)
    assert run.result.accuracy == pytest.approx(run.report["accuracy"])
    assert run.flags["image_size"] == 16


def test_history_and_tensorboard_say_the_same(run_dir):
    with (run_dir / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "4"), ("2", "8")]
    for directory, part in (("train", "train"), ("test", "eval")):
        events = EventAccumulator(str(run_dir / directory), size_guidance={"tensors": 0}).Reload()
        for tag in ("loss", "accuracy"):
            points = events.Tensors(tag)
            values = [float(tf.make_ndarray(point.tensor_proto)) for point in points]
            assert [point.step for point in points] == [4, 8]
            np.testing.assert_allclose(values, [float(row[f"{part}_{tag}"]) for row in rows])


@pytest.mark.usefixtures("small_network")
def test_the_same_flags_give_the_same_weights_bit_for_bit(small_run, data_dir, tmp_path):
    def again(name, **changes):
        config = TrainConfig(
            data_dir=str(data_dir), run_dir=str(tmp_path / name), **SMALL, **changes
        )
        return weights(train(config))

    for got, expected in zip(again("same"), weights(small_run), strict=True):
        np.testing.assert_array_equal(got, expected)
    other = again("other", seed=1)
    assert any((a != b).any() for a, b in zip(other, weights(small_run), strict=True))


def test_the_command_on_two_devices_repeats_bit_for_bit(data_dir, tmp_path):
    """Another process gives what this one does."""
    arguments = ("--strategy=mirrored", "--virtual_devices=2")
    run_command(data_dir, tmp_path / "a", WHOLE, *arguments)
    changes = {"strategy": "mirrored", "virtual_devices": 2, "pictures": False, "audit": False}
    config = TrainConfig(data_dir=str(data_dir), run_dir=str(tmp_path / "b"), **WHOLE | changes)
    train(config)
    for got, expected in zip(weights(tmp_path / "a"), weights(tmp_path / "b"), strict=True):
        np.testing.assert_array_equal(got, expected)


def run_command(data_dir, run_dir, flags, *arguments):
    flags = [f"--{name}={value}" for name, value in flags.items()]
    command = [sys.executable, "-m", "trainer.main", f"--data_dir={data_dir}"]
    result = subprocess.run(
        [*command, f"--run_dir={run_dir}", *flags, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert re.search(r"^epoch 1/2 .*  left \d+:\d\d$", result.stdout, re.MULTILINE)
    for part in ("2 replicas on CPU", "epoch 2/2", "macro avg", f"{run_dir}/plot.png"):
        assert part in result.stdout


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data_dir": "/nowhere"}, "/nowhere"),
        ({"classes": ("squares", "dots", "lines")}, "holds circles,lines,squares"),
        ({"batch_size": 5, "strategy": "mirrored", "virtual_devices": 2}, "use --batch_size=4"),
        ({"batch_size": 1000}, "choose a smaller --batch_size"),
    ],
)
def test_bad_input_leaves_no_run_directory(data_dir, tmp_path, changes, message):
    run_dir = tmp_path / "run"
    config = TrainConfig(**{"data_dir": str(data_dir), "run_dir": str(run_dir), **changes})
    with pytest.raises(InputError) as caught:
        train(config)
    assert message in str(caught.value)
    assert not run_dir.exists()


def identities(run_dir):
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in run_dir.rglob("*")}


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.usefixtures("small_network")
def test_a_run_in_mixed_precision(data_dir, tmp_path, policy, needs_precision):
    needs_precision(policy)
    config = TrainConfig(data_dir=str(data_dir), run_dir=str(tmp_path), precision=policy, **SMALL)
    trained = load_trained_model(train(config))
    assert trained.description.precision == policy
    layers = trained.model.layers
    assert layers[0].compute_dtype == policy.removeprefix("mixed_")
    assert {str(variable.dtype) for layer in layers for variable in layer.weights} == {"float32"}
    assert all(np.isfinite(epoch.loss) for epoch in read_run(tmp_path).epochs)


def test_a_precision_that_does_not_run_leaves_no_run_directory(data_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "why_not", lambda policy: "could not create a primitive")
    run_dir = tmp_path / "run"
    flags = {**SMALL, "precision": "mixed_bfloat16"}
    with pytest.raises(InputError, match="precision mixed_bfloat16, whose convolutions do not run"):
        train(TrainConfig(data_dir=str(data_dir), run_dir=str(run_dir), **flags))
    assert not run_dir.exists()


def test_a_finished_run_is_said_to_be_and_stays(run_dir, data_dir, capsys):
    before = identities(run_dir)
    again = train(TrainConfig(data_dir=str(data_dir), run_dir=str(run_dir), **SMALL))
    assert again == run_dir
    assert "holds a finished run of these flags; nothing is left to do" in capsys.readouterr().out
    assert identities(run_dir) == before


def test_other_flags_do_not_overwrite_a_run(run_dir, data_dir):
    before = identities(run_dir)
    config = TrainConfig(data_dir=str(data_dir), run_dir=str(run_dir), seed=1, **SMALL)
    with pytest.raises(InputError, match="--seed=0 is now 1; expected the same to go on with it"):
        train(config)
    assert identities(run_dir) == before


@pytest.mark.usefixtures("small_network")
def test_an_epoch_that_ends_in_a_checkpoint_is_evaluated_once_in_the_logs(
    small_run, data_dir, tmp_path, monkeypatch
):
    """Its checkpoint is of before the evaluation, the event of after it."""
    config = TrainConfig(
        data_dir=str(data_dir), run_dir=str(tmp_path / "run"), checkpoint_every="4", **SMALL
    )
    told = RunOutput.epoch

    def told_and_ended(output, *epoch):
        told(output, *epoch)
        output.wait()
        raise RuntimeError("ended here")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="ended here"):
        patch.setattr(RunOutput, "epoch", told_and_ended)
        train(config)
    train(config)
    events = EventAccumulator(str(tmp_path / "run" / "test"), size_guidance={"tensors": 0}).Reload()
    assert [point.step for point in events.Tensors("loss")] == [4, 8]
    for got, expected in zip(weights(tmp_path / "run"), weights(small_run), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"keep_best": True}, "--keep_best"),
        ({"early_stopping": 3}, "--early_stopping=3"),
        ({"keep_best": True, "early_stopping": 3}, "--keep_best"),
    ],
)
def test_nothing_is_selected_by_the_test_split(data_dir, tmp_path, changes, flag):
    config = TrainConfig(data_dir=str(data_dir), run_dir=str(tmp_path / "run"), **SMALL, **changes)
    with pytest.raises(InputError) as caught:
        train(config)
    assert f"received {flag} for {data_dir}, which has no validation split" in str(caught.value)
    assert "--validation_fraction" in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("small_network")
def test_the_best_epoch_by_the_validation_split_is_kept_and_ends_the_run(
    make_finished_set, tmp_path
):
    data_dir = make_finished_set(validation_fraction=0.3)
    run_dir = tmp_path / "run"
    flags = {"epochs": 5, "learning_rate": 0.01, "keep_best": True, "early_stopping": 2}
    flags |= {"image_size": 16, "batch_size": 4, "precision": "float32"}
    flags |= {"pictures": False, "audit": False}
    train(TrainConfig(data_dir=str(data_dir), run_dir=str(run_dir), **flags))
    with (run_dir / "history.csv").open() as file:
        losses = [float(row["eval_loss"]) for row in csv.DictReader(file)]
    model = keras.models.load_model(run_dir / "model.keras")
    options = InputOptions(image_size=16, batch_size=4)
    probabilities = []
    for images, labels, counted in eval_batches(open_dataset(data_dir), "validation", options):
        right = np.take_along_axis(
            model(images, training=False).numpy(), labels.numpy()[:, None], axis=1
        )
        probabilities.extend(right[counted.numpy() > 0, 0])
    loss = -np.mean(np.log(np.maximum(probabilities, 1e-7)))
    report = json.loads((run_dir / "report.json").read_text())
    assert report["kept_epoch"] == losses.index(min(losses)) + 1
    # The same weights op by op and in a graph; of another epoch the loss is farther away.
    assert loss == pytest.approx(min(losses), rel=1e-4)
    assert all(abs(loss - other) > 1e-3 * loss for other in losses if other != min(losses))
    assert len(losses) == min(5, losses.index(min(losses)) + 1 + 2)


def edit_manifest(directory, old, new):
    text = (directory / MANIFEST_NAME).read_text()
    assert old in text
    (directory / MANIFEST_NAME).write_text(text.replace(old, new, 1))


def swap_the_first_records(shard):
    """No size, count or checksum of a record shows it."""
    first, second, *others = read_records(shard.read_bytes())
    shard.write_bytes(b"".join(map(frame_record, [second, first, *others])))


def flip_a_bit(shard):
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)


DAMAGE = {
    "a missing shard": (lambda shard: shard.unlink(), "{}' with no such file"),
    "an empty shard": (lambda shard: shard.write_bytes(b""), "{}' with 0 bytes"),
    "a cut shard": (lambda shard: os.truncate(shard, 1000), "{}' with 1000 bytes"),
    "a shard with a byte too many": (
        lambda shard: shard.write_bytes(shard.read_bytes() + b"x"),
        "{}' with ",
    ),
    "no manifest": (
        lambda shard: (shard.parent / MANIFEST_NAME).unlink(),
        "without a manifest.json, expected a finished set of shards; make one with",
    ),
    "a manifest that is cut": (
        lambda shard: os.truncate(shard.parent / MANIFEST_NAME, 300),
        "cannot be read",
    ),
    "a manifest of a newer schema": (
        lambda shard: edit_manifest(
            shard.parent,
            f'"schema_version": {SCHEMA_VERSION}',
            f'"schema_version": {SCHEMA_VERSION + 1}',
        ),
        "update this program",
    ),
    "counts that do not add up": (
        lambda shard: edit_manifest(shard.parent, '"num_examples": 9', '"num_examples": 8'),
        "the counts of the split 'train' do not add up",
    ),
    "labels of another set": (
        lambda shard: (shard.parent / LABELS_NAME).write_text("circles\nsquares\nlines\n"),
        "received the classes circles, squares, lines",
    ),
}
DAMAGE_OF_BYTES = {
    "a flipped bit": (flip_a_bit, "{}, record 4: its data does not agree with its checksum"),
    "two records that have changed places": (
        swap_the_first_records,
        "{}: its bytes are not those that were written",
    ),
}


@pytest.mark.parametrize("fault", [*DAMAGE, *DAMAGE_OF_BYTES])
def test_damage_is_named_before_the_start(data_dir, tmp_path, fault, note_fault):
    verify_data = fault in DAMAGE_OF_BYTES
    happened = note_fault("damaged set", f"trainer{' --verify_data' * verify_data}: {fault}")
    damaged, run_dir = tmp_path / "data", tmp_path / "run"
    shutil.copytree(data_dir, damaged)
    shard = load_manifest(damaged).splits["train"].shards[0].name
    damage, message = {**DAMAGE, **DAMAGE_OF_BYTES}[fault]
    damage(damaged / shard)
    config = TrainConfig(
        data_dir=str(damaged), run_dir=str(run_dir), verify_data=verify_data, **SMALL
    )
    with pytest.raises(InputError) as caught:
        train(config)
    happened(caught.value)
    assert message.format(shard) in str(caught.value)
    assert not run_dir.exists()


@pytest.mark.usefixtures("small_network")
def test_a_whole_set_passes_verify_data(data_dir, tmp_path):
    config = TrainConfig(
        data_dir=str(data_dir), run_dir=str(tmp_path / "run"), verify_data=True, **SMALL
    )
    assert (train(config) / "model.keras").exists()


@pytest.mark.usefixtures("small_network")
def test_a_damaged_record_is_named_when_it_is_met(data_dir, tmp_path, note_fault):
    happened = note_fault("damaged set", "trainer: a flipped bit")
    damaged = tmp_path / "data"
    shutil.copytree(data_dir, damaged)
    shard = load_manifest(damaged).splits["train"].shards[0].name
    flip_a_bit(damaged / shard)
    with pytest.raises(InputError) as caught:
        train(TrainConfig(data_dir=str(damaged), run_dir=str(tmp_path / "run"), **SMALL))
    happened(caught.value)
    assert f"with 1 problem (the first in {shard}, record " in str(caught.value)
    assert "expected a set as it was written" in str(caught.value)
    assert f"python -m pipelines.verify --data_dir={damaged}" in str(caught.value)


def test_channels_first_without_a_gpu_is_refused(data_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    monkeypatch.setattr("tensorflow.config.get_visible_devices", lambda kind: [])
    with pytest.raises(InputError, match="expected channels_last"):
        train(TrainConfig(data_dir=str(data_dir), run_dir=str(tmp_path / "run")))


@pytest.mark.usefixtures("small_network")
def test_a_full_disk_ends_the_run_and_names_what_is_saved(
    data_dir, tmp_path, monkeypatch, note_fault
):
    happened = note_fault("checkpoints", "a disk that is full at the second one")
    write = Checkpoint.write

    def write_once(checkpoint, stream):
        if checkpoint.state.step > 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(checkpoint, stream)

    monkeypatch.setattr(Checkpoint, "write", write_once)
    run_dir = tmp_path / "run"
    with pytest.raises(InputError) as caught:
        train(TrainConfig(data_dir=str(data_dir), run_dir=str(run_dir), **SMALL))
    happened(caught.value)
    message = f"received --run_dir={run_dir}, which cannot be written (No space left on device)"
    assert message in str(caught.value)
    saved = run_dir / "checkpoints" / "step-0000000004.npz"
    assert str(caught.value).endswith(f"The last checkpoint is {saved}.")
    assert [*saved.parent.iterdir()] == [saved]
    assert not (run_dir / "report.json").exists()


@pytest.mark.usefixtures("small_network")
@pytest.mark.parametrize(
    ("step", "epoch", "saved"),
    [(4, 1, "No checkpoint was written."), (8, 2, "The last checkpoint is {}.")],
)
def test_numbers_that_are_not_finite_end_the_run(
    data_dir, tmp_path, monkeypatch, step, epoch, saved, note_fault
):
    happened = note_fault("numbers", "a run with a weight that is not finite")
    monkeypatch.setattr(
        Loop,
        "broken_weights",
        lambda loop: ["conv"] if loop.optimizer.iterations.numpy() >= step else [],
    )
    run_dir = tmp_path / "run"
    with pytest.raises(InputError) as caught:
        train(TrainConfig(data_dir=str(data_dir), run_dir=str(run_dir), **SMALL))
    happened(caught.value)
    assert f"in the weights of the layer conv in step {step} (epoch {epoch})" in str(caught.value)
    assert "lower --learning_rate, or set --clip_norm" in str(caught.value)
    assert saved.format(run_dir / "checkpoints" / "step-0000000004.npz") in str(caught.value)
    checkpoints = [path.name for path in (run_dir / "checkpoints").iterdir()]
    assert checkpoints == ["step-0000000004.npz"] * (epoch - 1)
    assert not (run_dir / "report.json").exists()


@pytest.mark.usefixtures("small_network")
def test_numbers_that_overflow_end_the_run(data_dir, tmp_path):
    flags = {**SMALL, "schedule": "constant", "learning_rate": 1e30, "optimizer": "sgd"}
    with pytest.raises(InputError, match="received NaN or infinity .* in step .*epoch 1.*, exp"):
        train(TrainConfig(data_dir=str(data_dir), run_dir=str(tmp_path / "run"), **flags))
