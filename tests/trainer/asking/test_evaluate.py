"""Evaluations: of the run's own data, of other sets, of pictures as they are."""

import json
import os
import shutil
import zipfile

import numpy as np
import pytest

from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import load_manifest
from trainer.asking import labelled_source
from trainer.asking.asked_data import find_source
from trainer.asking.asked_model import AskedModel
from trainer.asking.labelled_source import judge_source
from trainer.evaluate import EvaluateConfig, main


@pytest.fixture
def evaluate(finished_run, loaded_once, tmp_path, capsys):
    """Evaluates into a new directory; returns what was printed and report.json."""

    def run(name="evaluation", **choices):
        output = tmp_path / name
        places = {"run_dir": str(finished_run), "output_dir": str(output), "pictures": False}
        main(EvaluateConfig(**{**places, **choices}))
        return capsys.readouterr().out, json.loads((output / "report.json").read_text())

    return run


def test_the_own_test_split_gives_the_runs_own_numbers(evaluate, finished_run):
    printed, report = evaluate()
    of_run = json.loads((finished_run / "report.json").read_text())
    assert report["split"] == "test" and report["examples"] == 6
    # Rates, and means of 6 float32 probabilities, which batches of another size may round anew.
    for key in set(of_run) - {"train_seconds", "images_per_second", "input_wait_fraction"}:
        if key != "per_class":
            assert report[key] == pytest.approx(of_run[key], abs=1e-5), key
    for name, figures in of_run["per_class"].items():
        for figure, value in figures.items():
            assert report["per_class"][name][figure] == pytest.approx(value, abs=1e-5)
    assert report["notes"] == [] and "note:" not in printed


def test_training_images_are_said_to_be_such(evaluate):
    printed, report = evaluate(split="train")
    assert report["examples"] == 18
    assert "note: the model was trained on these images" in printed


def test_of_other_data_nothing_is_known(evaluate, make_finished_set):
    printed, _ = evaluate(data_dir=str(make_finished_set(images_per_class=12)), split="train")
    assert "among those that the model was trained on is not known" in printed


def test_a_raw_set_of_the_models_size_is_taken_and_of_another_refused(
    evaluate, make_finished_set, note_fault
):
    sizes = {s: make_finished_set(encoding="raw", image_size=s) for s in (16, 24)}
    _, report = evaluate(data_dir=str(sizes[16]))
    assert report["examples"] == 6
    happened = note_fault("model", "evaluated on pixels of another size")
    with pytest.raises(InputError, match="pixels of 24x24, expected the 16x16 of") as refused:
        evaluate(data_dir=str(sizes[24]))
    happened(refused.value)


def test_pictures_give_what_the_set_made_of_them_gives(evaluate, data_dir):
    folder = str(data_dir.parent / "shapes")
    _, of_pictures = evaluate("a", source=folder)
    reports = [evaluate(split, split=split)[1] for split in ("train", "test")]
    right = sum(round(report["accuracy"] * report["examples"]) for report in reports)
    assert of_pictures["examples"] == 24
    assert of_pictures["accuracy"] == pytest.approx(right / 24)
    with zipfile.ZipFile(data_dir.parent / "shapes.zip", "w") as archive:
        for path in sorted((data_dir.parent / "shapes").rglob("*.jpg")):
            archive.write(path, path.relative_to(data_dir.parent))
    _, of_archive = evaluate("b", source=f"{folder}.zip")
    assert of_archive["per_class"] == of_pictures["per_class"]


def test_a_class_without_pictures_is_not_called_zero(evaluate, image_folder):
    shutil.rmtree(image_folder / "lines")
    (image_folder / "lines").mkdir()  # an empty folder is no class
    printed, report = evaluate(source=str(image_folder))
    assert report["examples"] == 16
    unknown = ("precision", "recall", "recall_interval", "f1")
    assert report["per_class"]["lines"] == {**dict.fromkeys(unknown), "support": 0}
    present = [report["per_class"][name]["f1"] for name in ("circles", "squares")]
    assert report["macro_f1"] == pytest.approx(np.mean(present))
    assert "without examples, and in no average: lines (predicted" in printed
    shutil.rmtree(image_folder / "squares")
    assert evaluate("one", source=str(image_folder))[1]["examples"] == 8


@pytest.mark.parametrize("data", ["source", "data_dir"])
def test_another_class_list_is_refused(evaluate, image_folder, tmp_path, data, note_fault):
    happened = note_fault("model", f"evaluated on other classes, --{data}")
    (image_folder / "lines").rename(image_folder / "stars")
    place = image_folder
    if data == "data_dir":
        from pipelines.conversion.convert import convert
        from pipelines.sources import open_source
        from pipelines.tfrecords.manifest import Settings

        place = tmp_path / "set"
        convert(open_source(str(image_folder)), Settings(), place)
    with pytest.raises(InputError) as refused:
        evaluate(**{data: str(place)})
    happened(refused.value)
    assert "with the classes circles, squares, stars, expected those of the model, " in str(
        refused.value
    )
    assert "circles, lines, squares (stars it does not know): it was made by another class" in str(
        refused.value
    )
    if data == "source":
        _, report = evaluate(source=str(place), classes=("circles", "squares"))
        assert report["examples"] == 16


def test_a_bad_picture_is_refused_or_listed(evaluate, image_folder, note_fault):
    (image_folder / "lines" / "image_0003.jpg").write_bytes(b"no picture")
    happened = note_fault("model", "evaluated on a picture that is none")
    with pytest.raises(InputError, match="image 'lines/image_0003.jpg' of .* .no image") as refused:
        evaluate(source=str(image_folder))
    happened(refused.value)
    printed, report = evaluate(source=str(image_folder), on_bad_image="skip")
    assert report["examples"] == 23
    assert [one["file_name"] for one in report["left_out"]] == ["lines/image_0003.jpg"]
    assert "left out, since they cannot be decoded: 1\n  lines/image_0003.jpg: no image" in printed


def test_without_any_picture_there_is_no_report(evaluate, image_folder):
    for path in image_folder.rglob("*.jpg"):
        path.write_bytes(b"")
    with pytest.raises(InputError, match="24 images of which none can be decoded"):
        evaluate(source=str(image_folder), on_bad_image="skip")


def test_examples_of_a_source_are_read_again_by_number(asked, image_folder, make_jpeg):
    (image_folder / "circles" / "image_0002.jpg").write_bytes(b"")
    description = asked.trained.description
    data = find_source(str(image_folder), (), "", True, description)
    judged, left_out = judge_source(asked, data)
    assert len(left_out) == 1
    numbers = [20, 2, 2, 0]
    names = ["squares/image_0005.jpg", *["circles/image_0003.jpg"] * 2, "circles/image_0000.jpg"]
    assert judged.examples.file_names(numbers) == names
    # At other places of a batch, where a kernel may round otherwise.
    again = asked.probabilities(judged.examples.images(numbers))
    expected = judged.predictions.probabilities[numbers]
    np.testing.assert_allclose(again, expected, atol=1e-5)
    assert np.abs(expected[0] - expected[1]).max() > 1e-3
    assert judged.examples.images([]).shape == (0, 16, 16, 3)
    (image_folder / "circles" / "image_0003.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="which changed while it was evaluated"):
        judged.examples.images(numbers)


def test_pictures_are_not_held_in_memory(asked, image_folder, make_jpeg, monkeypatch):
    """How many have been read when the model is asked for the first time."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    for number in range(1000):
        (image_folder / "circles" / f"more_{number:04}.jpg").write_bytes(make_jpeg(1))
    data = find_source(str(image_folder), (), "", False, asked.trained.description)
    read = []
    in_groups = labelled_source.in_groups

    def counted(files, most):
        for group in in_groups(files, most):
            read.append(len(group))
            yield group

    class Counting(AskedModel):
        def probabilities(self, images):
            at_first.append(sum(read))
            return super().probabilities(images)

    at_first = []
    monkeypatch.setattr(labelled_source, "in_groups", counted)
    judge_source(Counting(asked.trained, 32), data)
    assert sum(read) == 1024
    assert at_first[0] < 500


def test_a_second_evaluation_replaces_its_own_files_only(
    finished_run, loaded_once, data_dir, capsys
):
    main(EvaluateConfig(run_dir=str(finished_run)))
    place = finished_run / "evaluations" / f"{load_manifest(data_dir).name}-test"
    first = {path.name: path.read_bytes() for path in place.iterdir()}
    pictures = {"confusion_matrix.png", "misclassified.png", "reliability.png"}
    assert first.keys() >= {"evaluation.json", "report.txt", "report.json", *pictures}
    (place / "mine.txt").write_text("a remark")
    mark = json.loads((place / "evaluation.json").read_text())
    (place / "old.png").write_text("of an earlier version")
    mark["files"].append("old.png")
    (place / "evaluation.json").write_text(json.dumps(mark))
    (place / "report.json").unlink()
    main(EvaluateConfig(run_dir=str(finished_run)))
    again = {path.name: path.read_bytes() for path in place.iterdir()}
    assert again.pop("mine.txt") == b"a remark"
    assert again == first
    assert capsys.readouterr().out.count(str(place / "report.json")) == 2


def test_other_data_of_the_same_name_go_to_another_directory(
    finished_run, loaded_once, image_folder, data_dir
):
    for folder in (image_folder, data_dir.parent / "shapes"):
        main(EvaluateConfig(run_dir=str(finished_run), source=str(folder), pictures=False))
    of = [
        json.loads((finished_run / "evaluations" / name / "evaluation.json").read_text())["of"]
        for name in ("shapes", "shapes-2")
    ]
    assert [one["source"] for one in of] == [str(image_folder), str(data_dir.parent / "shapes")]


@pytest.mark.parametrize("held", ["a run", "a file", "other data"])
def test_what_is_something_else_is_not_written_over(evaluate, finished_run, tmp_path, held):
    output = tmp_path / "evaluation"
    if held == "a run":
        output = finished_run
    elif held == "a file":
        output.write_text("mine")
    else:
        evaluate(split="train")
    before = sorted(finished_run.iterdir())
    with pytest.raises(InputError, match="which holds something else than an evaluation of"):
        evaluate(output_dir=str(output))
    assert sorted(finished_run.iterdir()) == before


def test_the_runs_data_may_have_gone(finished_run, tmp_path):
    run_dir = tmp_path / "moved"
    run_dir.mkdir()
    for name in ("model.keras", "model.json", "config.json"):
        shutil.copy(finished_run / name, run_dir)
    config = json.loads((run_dir / "config.json").read_text())
    (run_dir / "config.json").write_text(json.dumps({**config, "data_dir": "gone"}))
    with pytest.raises(InputError, match="was trained on gone, .*give --data_dir"):
        main(EvaluateConfig(run_dir=str(run_dir)))
    (run_dir / "config.json").unlink()
    with pytest.raises(InputError, match="has no config.json that says which data"):
        main(EvaluateConfig(run_dir=str(run_dir)))


def test_a_split_that_is_not_there_is_refused(evaluate):
    with pytest.raises(InputError, match="--split=validation .* its splits train, test"):
        evaluate(split="validation")


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"run_dir": None}, "received no --run_dir"),
        ({"source": "a", "data_dir": "b"}, "--source=a with --data_dir=b"),
        ({"source": "a", "split": "test"}, "--source=a with --split=test"),
        ({"classes": ("a",)}, "--classes without --source"),
        ({"on_bad_image": "skip"}, "--on_bad_image without --source"),
        ({"batch_size": 0}, "--batch_size=0, expected at least 1"),
        ({"output_dir": ""}, "an empty --output_dir"),
    ],
)
def test_flags_that_contradict_are_refused(choices, message):
    with pytest.raises(InputError, match=message):
        EvaluateConfig(**{"run_dir": "run", **choices})
