"""Each format carries the model, its classes and its float32, and is run by what users run."""

import json
import zipfile

import keras
import numpy as np
import pytest

from pipelines.runtime.errors import InputError
from trainer.exporting import export as exporting
from trainer.exporting.export import export
from trainer.exporting.formats import FORMATS, missing_packages
from trainer.float32_model import float32_model

from .conftest import CLASS_NAMES, SIZE, varied_model

pytestmark = pytest.mark.numerics


def missing_any(name):
    missing = missing_packages(name)
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def card_of(name, path):
    """The `model.json` of an export, and how else it names its classes."""
    if name == "onnx":
        import onnx

        properties = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
        return {**properties, "class_names": json.loads(properties["class_names"])}
    if name == "saved_model":
        return json.loads((path / "assets.extra" / "model.json").read_text())
    with zipfile.ZipFile(path) as archive:
        if name == "litert":
            assert archive.read("labels.txt").decode().splitlines() == list(CLASS_NAMES)
        return json.loads(archive.read("model.json"))


@pytest.mark.parametrize("name", [pytest.param(name, marks=missing_any(name)) for name in FORMATS])
def test_each_format_answers_as_the_model_does(run_dir, source, tmp_path, capfd, name):
    path = tmp_path / f"exported{FORMATS[name].suffix}"
    result = export(name, run_dir, str(path), source)
    assert capfd.readouterr() == ("", "")  # converters print
    assert result.check.images == 6
    assert 0 <= result.check.difference < 1e-5  # other runtimes round otherwise; users get 1e-4
    assert result.policy_difference is None
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
    card = card_of(name, path)
    assert card["class_names"] == list(CLASS_NAMES)
    assert card["precision"] == card["trained_in"] == "float32"
    assert "[0, 1], (batch, 16, 16, 3)" in card["input"]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_run_in_mixed_precision_is_exported_in_float32(
    make_run, source, tmp_path, policy, needs_precision
):
    needs_precision(policy)
    run_dir = make_run(policy=policy)
    result = export("keras", run_dir, str(tmp_path / "m.keras"), source)
    assert result.check.difference < 1e-5 < result.policy_difference < 0.1
    assert f"{policy} itself: {result.policy_difference:.1e}" in result.text
    assert_is_float32(tmp_path / "m.keras", policy)


def test_a_run_whose_precision_does_not_run_here_is_exported_in_float32(
    make_run, source, tmp_path, monkeypatch
):
    monkeypatch.setattr(exporting, "can_run", lambda policy: policy == "float32")
    run_dir = make_run(policy="mixed_bfloat16")
    result = export("keras", run_dir, str(tmp_path / "m.keras"), source)
    assert result.check.difference < 1e-5 and result.policy_difference is None
    assert "; mixed_bfloat16 itself does not run on this machine" in result.text
    assert_is_float32(tmp_path / "m.keras", "mixed_bfloat16")


def assert_is_float32(path, policy):
    model = keras.models.load_model(path)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert card_of("keras", path)["trained_in"] == policy


def test_the_copy_in_float32_has_the_weights_and_plain_batch_normalization():
    model = varied_model("mixed_float16")
    keras.config.set_dtype_policy("float32")
    copy = float32_model(model)
    normalization = [layer for layer in copy.layers if hasattr(layer, "synchronized")]
    assert [layer.synchronized for layer in normalization] == [False]
    assert any(layer.compute_dtype == "float16" for layer in model.layers)
    assert {layer.compute_dtype for layer in copy.layers} == {"float32"}
    for received, expected in zip(copy.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(received, expected)


def test_an_export_with_other_answers_is_refused_and_not_left(
    run_dir, source, tmp_path, monkeypatch, note_fault
):
    happened = note_fault("export", "answers other than the model's")
    earlier = tmp_path / "m.keras"
    earlier.write_bytes(b"an earlier export")

    def disturbed(name, model, description, path):
        weights = model.get_weights()
        weights[-1] += np.float32([1e-2, 0, 0])
        model.set_weights(weights)
        return write(name, model, description, path)

    write = exporting.write
    monkeypatch.setattr(exporting, "write", disturbed)
    with pytest.raises(InputError, match="differ by 0.0.*expected 0.0001 at the most") as refused:
        export("keras", run_dir, str(earlier), source, overwrite=True)
    happened(refused.value)
    with pytest.raises(InputError, match="differ by 0.0"):
        export("saved_model", run_dir, str(tmp_path / "new"), source)
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]
    assert earlier.read_bytes() == b"an earlier export"


def test_a_copy_in_float32_that_went_wrong_is_found(
    make_run, source, tmp_path, monkeypatch, needs_precision
):
    needs_precision("mixed_float16")
    run_dir = make_run(policy="mixed_float16")

    def mistaken(model):
        copy = float32_model(model)
        copy.set_weights([10 * weights[..., ::-1] for weights in copy.get_weights()])
        return copy

    monkeypatch.setattr(exporting, "float32_model", mistaken)
    with pytest.raises(InputError, match="answers in float32 are not those .* mixed_float16"):
        export("keras", run_dir, str(tmp_path / "m.keras"), source)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing(run_dir, source, tmp_path, monkeypatch, note_fault):
    happened = note_fault("export", "full disk")

    def full(name, model, description, path):
        path.with_name(path.name).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting, "write", full)
    with pytest.raises(
        InputError, match=r"cannot be written \(No space left on device\)"
    ) as refused:
        export("keras", run_dir, str(tmp_path / "m.keras"), source)
    happened(refused.value)
    assert not list(tmp_path.iterdir())


@missing_any("litert")
def test_layers_that_a_format_lacks_are_named_in_one_line(make_run, source, tmp_path):
    layers = keras.layers
    stack = [keras.Input((SIZE, SIZE, 3)), layers.Resizing(8, 8, interpolation="bicubic")]
    run_dir = make_run(keras.Sequential([*stack, layers.Flatten(), layers.Dense(3, "softmax")]))
    with pytest.raises(
        InputError, match=r"--format=litert \(.tf.ResizeBicubic. op is n"
    ) as refused:
        export("litert", run_dir, str(tmp_path / "m.tflite"), source)
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_a_model_of_other_images_is_refused(make_run, source, tmp_path):
    layers = keras.layers
    stack = [keras.Input((3, SIZE, SIZE)), layers.Flatten(), layers.Dense(3, "softmax")]
    with pytest.raises(InputError, match=r"\(None, 3, 16, 16\), expected \(None, 16, 16, 3\)"):
        export("keras", make_run(keras.Sequential(stack)), str(tmp_path / "m.keras"), source)
