"""What a run has written for TensorBoard: all of it, once, whatever has happened to the run."""

import io
import json

import keras
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.graph.keras_util import keras_model_to_graph_def
from tensorboard.plugins.hparams import api_pb2, metadata

from pipelines.runtime.errors import InputError
from trainer.config import TrainConfig
from trainer.run_output import RunOutput
from trainer.train import train

PLAIN = {
    "image_size": 16,
    "batch_size": 4,
    "schedule": "constant",
    "augmentation": "none",
    "unwarped_fraction": 0.0,
}


def events_of(directory):
    return EventAccumulator(str(directory), size_guidance={"tensors": 0}).Reload()


def steps(events, tag):
    return [point.step for point in events.Tensors(tag)]


def text(events, tag):
    (point,) = events.Tensors(tag)
    return tf.make_ndarray(point.tensor_proto).tolist().decode()


def rows_of_hparams(run_dir):
    """Of each beginning and end of a session in the event files, what it says."""
    found = []
    for path in sorted(run_dir.glob("*.tfevents.*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                if value.tag == metadata.SESSION_START_INFO_TAG:
                    content = value.metadata.plugin_data.content
                    found.append(metadata.parse_session_start_info_plugin_data(content))
                if value.tag == metadata.SESSION_END_INFO_TAG:
                    content = value.metadata.plugin_data.content
                    found.append(metadata.parse_session_end_info_plugin_data(content))
    return found


def test_figures_of_epochs_and_within_them(shown_run):
    test, train_, within = (events_of(shown_run / name) for name in ("test", "train", "steps"))
    for name in ("circles", "lines", "squares"):
        assert steps(test, f"recall/{name}") == [4, 8]
    for tag in ("loss", "accuracy", "gradient_norm", "learning_rate", "speed/images_per_second"):
        assert steps(train_, tag) == [4, 8]
        assert steps(within, tag) == [2, 4, 6, 8]
    losses = [float(tf.make_ndarray(p.tensor_proto)) for p in within.Tensors("loss")]
    means = [float(tf.make_ndarray(p.tensor_proto)) for p in train_.Tensors("loss")]
    assert means == pytest.approx([sum(losses[:2]) / 2, sum(losses[2:]) / 2], rel=1e-5)


def test_pictures_of_each_evaluation_and_of_each_augmentation(shown_run):
    test, train_ = events_of(shown_run / "test"), events_of(shown_run / "train")
    for tag in (
        "evaluation/confusion_counts",
        "evaluation/confusion_rates",
        "evaluation/misclassified",
    ):
        assert steps(test, tag) == [4, 8]
    assert steps(train_, "training/batch") == [0, 4]  # the second epoch only mirrors
    for point in (*test.Tensors("evaluation/misclassified"), *train_.Tensors("training/batch")):
        width, height, data = tf.make_ndarray(point.tensor_proto).tolist()
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.size == (int(width), int(height))


def test_histograms_of_every_weight_and_layer(shown_run):
    tags = events_of(shown_run / "test").Tags()["tensors"]
    model = keras.models.load_model(shown_run / "model.keras")
    outputs = {tag.removeprefix("outputs/") for tag in tags if tag.startswith("outputs/")}
    assert outputs == {layer.name for layer in model.layers}
    weights = [tag for tag in tags if tag.startswith("weights/")]
    assert len(weights) == len(model.weights)
    assert all(steps(events_of(shown_run / "test"), tag) == [4, 8] for tag in weights[:2])


def test_both_graphs_can_be_drawn(shown_run):
    events = events_of(shown_run)
    assert len(events.Graph().node) > 30
    layers = keras_model_to_graph_def(json.loads(text(events, "keras")))
    model = keras.models.load_model(shown_run / "model.keras")
    assert [node.name.split("/")[-1] for node in layers.node][1:] == [x.name for x in model.layers]
    assert all(len(node.input) == 1 for node in layers.node[1:])


def test_texts(shown_run):
    events = events_of(shown_run)
    assert "| `--mixup` | 0.2 | 0.0 |" in text(events, "run/configuration")
    assert "| **all** | 18 | 6 |" in text(events, "run/data")
    assert (shown_run / "report.txt").read_text().strip() in text(events, "run/report")


def test_the_row_of_a_finished_run(shown_run):
    start, end = rows_of_hparams(shown_run)
    assert start.group_name == f"{shown_run.name} in {shown_run.parent}"
    assert start.hparams["mixup"].number_value == 0.2
    assert end.status == api_pb2.STATUS_SUCCESS
    report = json.loads((shown_run / "report.json").read_text())
    (point,) = events_of(shown_run).Tensors("final/accuracy")
    assert float(tf.make_ndarray(point.tensor_proto)) == pytest.approx(report["accuracy"])


def test_the_profile_is_where_tensorboard_looks(shown_run):
    (trace,) = shown_run.glob("plugins/profile/*/*.xplane.pb")
    assert trace.stat().st_size > 1000


def test_a_run_that_is_left_off_and_goes_on(data_dir, tmp_path, monkeypatch, capfd):
    flags = {**PLAIN, "data_dir": str(data_dir), "run_dir": str(tmp_path / "run"), "epochs": 2}
    told = RunOutput.epoch

    def told_and_ended(output, *epoch):
        told(output, *epoch)
        raise RuntimeError("ended here")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="ended here"):
        patch.setattr(RunOutput, "epoch", told_and_ended)
        train(TrainConfig(**flags))
    _, end = rows_of_hparams(tmp_path / "run")
    assert end.status == api_pb2.STATUS_FAILURE
    train(TrainConfig(**flags, profile_steps="5,90"))
    told = capfd.readouterr().err
    assert "warning: received --profile_steps=5,90, but only 8 steps are left; steps 5 to 8" in told
    train(TrainConfig(**(flags | {"epochs": 3})))
    start, end = rows_of_hparams(tmp_path / "run")
    assert end.status == api_pb2.STATUS_SUCCESS
    assert start.hparams["epochs"].number_value == 3
    assert "| `--epochs` | 3 | 30 |" in text(events_of(tmp_path / "run"), "run/configuration")
    assert steps(events_of(tmp_path / "run" / "train"), "training/batch") == [0]
    assert steps(events_of(tmp_path / "run" / "test"), "evaluation/misclassified") == [4, 8, 12]


@pytest.mark.parametrize("value", ["10", "20,10", "10,10", "0,5", "a,b", "1,2,3", "", "-1,5"])
def test_profiles_of_no_steps_are_refused(value):
    with pytest.raises(InputError, match="expected two whole numbers, the first at least 1"):
        TrainConfig(profile_steps=value)
    assert TrainConfig(profile_steps="10,20").profiled == (10, 20)
