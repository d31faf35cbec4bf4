"""Predictions: what is said of good and of bad pictures, and that evaluations say the same."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.conversion.convert import convert
from pipelines.runtime.errors import InputError
from pipelines.sources import open_source
from pipelines.tfrecords.manifest import Settings
from tests.conftest import tiny_jpeg
from tests.testing.rounding import assert_same_answers
from trainer.asking.asked_data import find_source, find_split
from trainer.asking.file_answers import answers
from trainer.asking.labelled_source import judge_source
from trainer.asking.named_files import find_files
from trainer.asking.stored_split import judge_split
from trainer.predict import PredictConfig, main

ROOT = Path(__file__).parents[3]
RGB = Image.open(io.BytesIO(tiny_jpeg(3)))


def encoded(picture, file_format, **options):
    stream = io.BytesIO()
    picture.save(stream, file_format, **options)
    return stream.getvalue()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(RGB, "JPEG", exif=exif)


def deep():
    return encoded(Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(30, 40) * 50), "PNG")


PICTURES = {
    "cmyk.jpg": encoded(RGB.convert("CMYK"), "JPEG"),
    "turned.jpg": turned(),
    "deep.png": deep(),
    "moving.gif": encoded(RGB, "GIF"),
    "写真.webp": encoded(RGB, "WEBP"),
    "caf\udce9.jpg": tiny_jpeg(3),
}
BAD = {
    "none.jpg": (b"hello", "no image that Pillow can read"),
    "empty.png": (b"", "empty file"),
    "cut.jpg": (tiny_jpeg(1)[:900], "damaged image: image file is truncated"),
    "bomb.png": (encoded(Image.new("1", (10_000, 9_000)), "PNG"), "pixels, more than 80000000"),
}


@pytest.fixture
def album(tmp_path):
    for name, data in {**PICTURES, **{name: data for name, (data, _) in BAD.items()}}.items():
        (tmp_path / "album" / "any").mkdir(parents=True, exist_ok=True)
        (tmp_path / "album" / "any" / name).write_bytes(data)
    return tmp_path / "album"


@pytest.fixture
def predict(finished_run, loaded_once, capfdbinary):
    """Returns the lines of the standard output, and the closing line if any file failed."""

    def run(*files, **choices):
        try:
            main(PredictConfig(run_dir=str(finished_run), files=tuple(map(str, files)), **choices))
            closing = ""
        except InputError as error:
            closing = str(error)
        return capfdbinary.readouterr().out.decode().splitlines(), closing

    return run


def test_every_file_has_its_line_whatever_it_is(predict, album, tmp_path, note_fault):
    notes = {name: note_fault("picture asked about", name) for name in (*PICTURES, *BAD)}
    lines, closing = predict(album, tmp_path / "missing.jpg", format="jsonl")
    found = {os.path.basename(values["file"]): values for values in map(json.loads, lines)}
    for name, happened in notes.items():
        happened(f"status: {found[name]['status']}")
    assert list(found) == [*sorted([*PICTURES, *BAD]), "missing.jpg"]
    for name in PICTURES:
        values = found[name]
        assert values["status"] == "ok"
        assert values["probability"] == max(values["probabilities"].values())
        assert values["probabilities"][values["class"]] == values["probability"]
        assert sum(values["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert min(values["milliseconds"].values()) > 0
    for name, (_, reason) in BAD.items():
        assert reason in found[name]["status"]
        assert found[name]["class"] is None
    assert "received 11 files of which 5 could not be read, expected pictures" in closing


def test_says_of_a_file_what_an_evaluation_says(asked, album, image_folder):
    for name, data in PICTURES.items():
        (image_folder / "circles" / name).write_bytes(data)
    data = find_source(str(image_folder), (), "", False, asked.trained.description)
    judged, _ = judge_source(asked, data)
    said = list(answers(asked, find_files([str(image_folder)])))
    assert len(said) == 24 + len(PICTURES)
    names = [os.path.relpath(answer.file, image_folder) for answer in said]
    assert judged.examples.file_names(range(len(said))) == names
    expected = judged.predictions.probabilities
    np.testing.assert_array_equal([answer.probabilities for answer in said], expected)


def test_says_of_a_file_what_the_evaluation_of_a_set_made_of_it_says(
    asked, image_folder, finished_run, tmp_path
):
    for name, data in PICTURES.items():
        (image_folder / "circles" / name).write_bytes(data)
    convert(open_source(str(image_folder)), Settings(shards=1), tmp_path / "set")
    data = find_split(finished_run, str(tmp_path / "set"), "train", asked.trained.description)
    judged = judge_split(asked, data)
    names = judged.examples.file_names(range(len(judged.predictions.labels)))
    assert len({os.path.basename(name) for name in names} & PICTURES.keys()) > 2
    said = answers(asked, find_files([str(image_folder / name) for name in names]))
    found = np.array([answer.probabilities for answer in said])
    assert_same_answers(
        found, lambda: judge_split(asked, data).predictions.probabilities, asked.trained.model
    )


def test_answers_come_in_order_over_many_batches(finished_run, image_folder, predict):
    assert predict(image_folder / "circles", batch_size=1)[1] == ""
    lines, closing = predict(image_folder, batch_size=5, format="jsonl")
    names = [json.loads(line)["file"] for line in lines]
    assert names == sorted(map(str, image_folder.rglob("*.jpg")))
    assert closing == ""


def test_the_grid_shows_good_and_bad_files(predict, album, tmp_path):
    grid = tmp_path / "grid.png"
    predict(album, grid=str(grid))
    with Image.open(grid) as picture:
        assert picture.width > 8 * 140 and picture.height > 2 * 140
        marked = (179, 38, 30)
        assert sum(count for count, colour in picture.getcolors(1 << 20) if colour == marked) > 500


def test_the_grid_may_not_be_written_over_a_picture(predict, album):
    picture = album / "any" / "deep.png"
    lines, closing = predict(album, grid=str(album / "." / "any" / "deep.png"))
    assert lines == []
    assert "is one of the pictures asked about" in closing
    assert picture.read_bytes() == PICTURES["deep.png"]


def test_nothing_to_try_is_answered_without_a_model(predict, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trainer.asking.file_answers", None)
    lines, closing = predict(tmp_path, tmp_path / "missing.jpg")
    assert [line.partition("  -  ")[2].split("  ")[-1] for line in lines[1:]] == [
        "a folder without a file that is named as images are (empty)",
        "it does not exist",
    ]
    assert closing.startswith("received 2 files of which 2 could not be read")


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"files": ()}, "received no picture, expected files or folders"),
        ({"files": ("",)}, "received an empty name"),
        ({"top": 0}, "--top=0, expected at least 1"),
        ({"grid": "a.jpg"}, "--grid=a.jpg, expected a file name in .png"),
    ],
)
def test_wrong_flags_are_refused(choices, message):
    with pytest.raises(InputError, match=message):
        PredictConfig(**{"run_dir": "run", "files": ("a",), **choices})


def command(*arguments, **keywords):
    line = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, **keywords)


def test_the_command_says_nothing_but_its_lines(finished_run, album):
    """As a process, with names on its standard input: no message of TensorFlow, no traceback."""
    names = "\n".join(str(album / "any" / name) for name in ("cut.jpg", "deep.png", "moving.gif"))
    done = command(
        "trainer.predict", f"--run_dir={finished_run}", "-", "--top=2", input=names.encode()
    )
    lines = done.stdout.decode().splitlines()
    assert [line.split()[0] for line in lines] == ["file", *names.splitlines()]
    assert [line.rpartition("  ")[2] for line in lines[2:]] == ["ok", "ok"]
    (closing,) = done.stderr.decode().splitlines()
    assert closing.startswith("python -m trainer.predict: received 3 files of which 1 could not")
    assert done.returncode == 1


def test_a_model_that_would_run_code_is_refused_in_one_line(
    finished_run, album, tmp_path, note_fault
):
    import keras

    from trainer.model_description import load_description
    from trainer.trained_model import save_trained_model

    happened = note_fault("model", "a Lambda layer, asked by the command")
    run_dir = tmp_path / "run"
    shutil.copytree(finished_run, run_dir)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Flatten(),
            layers.Lambda(lambda x: x),
            layers.Dense(3, "softmax"),
        ]
    )
    save_trained_model(run_dir, model, load_description(run_dir))
    done = command("trainer.evaluate", f"--run_dir={run_dir}")
    (line,) = done.stderr.decode().splitlines()
    happened(f"refused: {line.partition('received ')[2].partition('expected')[0][-60:]}")
    assert "which Keras does not load" in line and "without Lambda layers" in line
    assert done.returncode == 1
    assert done.stdout == b""
