"""What a study has found, in tables and a figure."""

import csv
import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from tests.trainer.made_runs import make_run
from trainer.config import TrainConfig
from trainer.studying.factors import Factor
from trainer.studying.plan import make_plan
from trainer.studying.results import read_results
from trainer.studying.study_output import write_results

BASE = {field.name: field.default for field in dataclasses.fields(TrainConfig)}
FACTORS = (Factor("downsampling", ("stride", "max_pool")), Factor("l2", (0.0, 0.5)))


def finished_study(study_dir, one_at_a_time=False, factors=FACTORS, seeds=2):
    """Accuracies rise by 0.125 from one combination to the next, and by 0.25 with the seed."""
    plan = make_plan(BASE, factors, seeds, one_at_a_time, str(study_dir))
    for number, combination in enumerate(plan.combinations):
        for seed, run in enumerate(plan.of(combination)):
            accuracies = (0.1, 0.125 * number + 0.25 * seed + 0.25)
            values = {**combination.values, "seed": seed, "epochs": 14}
            make_run(run.run_dir, accuracies, speed=100 + seed, **values)
    return plan


def test_means_and_standard_deviations_over_the_seeds(tmp_path, capsys):
    plan = finished_study(tmp_path, seeds=3)
    write_results(read_results(plan, {}, "validation", "pets"), "study")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "study.csv").read_text())))
    assert [(row["downsampling"], row["l2"]) for row in rows] == [
        ("stride", "0"),
        ("stride", "0.5"),
        ("max_pool", "0"),
        ("max_pool", "0.5"),
    ]
    accuracies = [0.375, 0.625, 0.875]
    assert float(rows[1]["validation_accuracy"]) == pytest.approx(np.mean(accuracies))
    assert float(rows[1]["standard_deviation"]) == pytest.approx(np.std(accuracies, ddof=1))
    assert float(rows[1]["validation_loss"]) == pytest.approx(1 - np.mean(accuracies))
    assert (rows[1]["parameters"], rows[1]["multiply_adds"]) == ("1000", "2000")
    assert (rows[1]["images_per_second"], rows[1]["runs"]) == ("101.0", "3")
    markdown = (tmp_path / "study.md").read_text().splitlines()
    assert markdown[3] == "| stride | 0.5 | 3 | 62.50% | 25.00% | 0.3750 | 1,000 | 2,000 | 101 |"
    printed = capsys.readouterr().out
    assert "stride 0.5 3 62.50% 25.00% 0.3750 1,000 2,000 101".split() in [
        line.split() for line in printed.splitlines()
    ]
    assert f"tensorboard --logdir {tmp_path}, then http://localhost:6006/#hparams" in printed
    assert "do not choose by them" not in printed


def test_one_at_a_time_shows_what_was_changed(tmp_path, capsys):
    plan = finished_study(tmp_path, one_at_a_time=True)
    write_results(read_results(plan, {}, "validation", "pets"), "study")
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed[1:5]] == [
        "combination",
        "baseline",
        "downsampling=max_pool",
        "l2=0.5",
    ]
    assert (
        "baseline: downsampling=stride, l2=0; each other row differs from it in one flag."
        in printed
    )


def test_test_images_are_not_to_be_chosen_by(tmp_path):
    plan = finished_study(tmp_path)
    write_results(read_results(plan, {}, "test", "pets"), "study")
    text = (tmp_path / "study.md").read_text()
    assert "| test accuracy |" in text and "do not choose by them" in text


def test_failed_runs_are_counted_and_left_out(tmp_path):
    plan = finished_study(tmp_path)
    failures = {"l2=0.5,seed=0": "why", "downsampling=max_pool,seed=0": "why"}
    failures["downsampling=max_pool,seed=1"] = "why"
    write_results(read_results(plan, failures, "validation", "pets"), "study")
    lines = (tmp_path / "study.md").read_text().splitlines()
    assert lines[3].startswith("| stride | 0.5 | 1 | 1 | 62.50% | - | ")
    assert lines[4].startswith("| max_pool | 0 | 0 | 2 | - | - | ")


def test_the_figure_has_a_row_for_each_combination(tmp_path):
    """With a point for each run and a mark for the mean."""
    plan = finished_study(tmp_path)
    write_results(read_results(plan, {}, "validation", "pets"), "study")
    with Image.open(tmp_path / "study.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    blue = (pixels[..., 2] - pixels[..., 0] > 90).any(axis=1)
    (starts,) = np.nonzero(np.diff(blue.astype(int)) == 1)
    assert len(starts) == 2 * len(plan.combinations) + 1  # and one of the legend
