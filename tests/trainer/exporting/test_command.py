"""What the command refuses, and what it says."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.runtime.errors import InputError
from trainer.export import ExportConfig, main
from trainer.exporting import formats
from trainer.exporting.formats import FORMATS, missing_packages
from trainer.model_description import load_description
from trainer.run_data import find_data

ROOT = Path(__file__).parents[3]
# The one that prints most, if it can be written here.
NOISIEST = "keras" if missing_packages("litert") else "litert"


def config(run_dir, output, **more):
    return ExportConfig(run_dir=str(run_dir), output=str(output), **more)


def test_exports_and_says_so_in_five_lines(run_dir, tmp_path):
    output = tmp_path / f"exported{FORMATS[NOISIEST].suffix}"
    command = [sys.executable, "-m", "trainer.export", f"--run_dir={run_dir}"]
    command += [f"--format={NOISIEST}", f"--output={output}"]
    environment = {**os.environ}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    heads = [line.split("  ")[0] for line in done.stdout.splitlines()]
    assert heads == ["format", "output", "checked on", "difference", "time"]
    assert f"output      {output}, " in done.stdout
    assert "6 images: shapes, test split" in done.stdout
    assert output.is_file()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"output": None}, "received no --output"),
        ({"run_dir": ""}, "received no --run_dir"),
        ({"format": "onnx"}, "--output=m.keras with --format=onnx, expected a file name in .onnx"),
        ({"format": "litert", "output": "m"}, "expected a file name in .tflite"),
        ({}, "--output=m.keras with --format=saved_model, .* or pass --format=keras"),
    ],
)
def test_wrong_flags_are_refused_when_the_config_is_made(flags, message):
    with pytest.raises(InputError, match=message):
        ExportConfig(**{"run_dir": "run", "output": "m.keras", **flags})


def test_missing_packages_are_named_before_anything_is_looked_at(monkeypatch, note_fault):
    happened = note_fault("export", "packages that are not installed")
    found = importlib.util.find_spec
    monkeypatch.setattr(
        formats.importlib.util, "find_spec", lambda name: found(name) if name == "onnx" else None
    )
    with pytest.raises(InputError, match=r"\.\[export\]") as refused:
        main(config("nowhere", "m.onnx", format="onnx"))
    happened(refused.value)
    assert "--format=onnx, for which onnxruntime, tf2onnx are not installed" in str(refused.value)


def refusal(run_dir, output, **more):
    with pytest.raises(InputError) as refused:
        main(config(run_dir, output, **more))
    return str(refused.value)


def test_a_changed_model_is_refused(run_dir, tmp_path):
    changed = shutil.copytree(run_dir, tmp_path / "run")
    with open(changed / "model.keras", "ab") as stream:
        stream.write(b"x")
    assert "it was changed since it was written" in refusal(changed, tmp_path / "new")
    assert "which does not exist" in refusal(tmp_path / "nowhere", tmp_path / "new")


def test_what_is_there_stays_unless_it_is_an_export_that_is_to_be_replaced(run_dir, tmp_path):
    taken = tmp_path / "taken.keras"
    taken.write_bytes(b"something")
    assert "which exists, expected a new path" in refusal(run_dir, taken, format="keras")
    holds = "holds 'taken.keras', expected nothing or a SavedModel there"
    assert holds in refusal(run_dir, tmp_path, overwrite=True)
    assert "which exists" in refusal(run_dir, tmp_path)
    own = run_dir / "model.keras"
    assert "the model of a run" in refusal(run_dir, own, format="keras", overwrite=True)
    assert taken.read_bytes() == b"something"
    assert load_description(run_dir)


@pytest.mark.parametrize(
    ("output", "more", "message"),
    [
        ("gs://bucket/m.keras", {"format": "keras"}, "not of this machine"),
        ("{}/nowhere/m.keras", {"format": "keras"}, "which cannot be written"),
        ("{}/file/new", {}, "cannot be made in .*/file .Not a directory."),
    ],
)
def test_a_place_that_cannot_be_written_is_refused(run_dir, tmp_path, output, more, message):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=message):
        main(config(run_dir, output.format(tmp_path), **more))


def test_a_run_whose_data_are_gone_asks_for_others(run_dir, data_dir, tmp_path, make_finished_set):
    moved = shutil.copytree(run_dir, tmp_path / "run")
    description = load_description(moved)
    for text in (json.dumps({"data_dir": str(tmp_path / "gone")}), "{}", "no JSON"):
        (moved / "config.json").write_text(text)
        with pytest.raises(InputError, match="expected its data; give --data_dir=DIR"):
            find_data(moved, description, None)
    assert find_data(moved, description, str(data_dir)).manifest.name == "shapes"
    raw = make_finished_set(encoding="raw", image_size=8, shards=1)
    with pytest.raises(InputError, match="pixels of 8x8, expected the 16x16 of the model"):
        find_data(moved, description, str(raw))
