"""The script that judges the recipes on several splits: what it trains, keeps and reckons."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import splits
from benchmarks.recipe_runs import recipe_config
from pipelines.runtime.errors import InputError
from trainer.config import TrainConfig

ROOT = Path(__file__).parents[2]


def report(accuracy, recall):
    per_class = {"cats": {"recall": recall}, "dogs": {"recall": 1.0}}
    return {"accuracy": accuracy, "macro_f1": 0.5, "per_class": per_class}


BY_SPLIT = {42: [report(0.9, 0.2), report(0.8, 0.4)], 7: [report(0.7, 0.3), report(0.6, 0.5)]}


def test_the_spread_is_over_all_runs_and_over_those_of_each_split():
    deviation = statistics.stdev([90, 80, 70, 60])
    row = splits.recipe_row("fast", BY_SPLIT)
    assert row["recipe"] == "fast" and row["runs"] == 4
    assert row["accuracy"] == f"75.00 ± {deviation:.2f}"
    assert row["macro F1"] == "50.00 ± 0.00"
    assert row["recall cats"] == f"35.00 ± {statistics.stdev([20, 40, 30, 50]):.2f}"
    assert (row["lowest accuracy"], row["highest"]) == (60, 90)
    of_one_split = f"± {statistics.stdev([90, 80]):.2f}"
    expected = {"42, the tutorial's": f"85.00 {of_one_split}", "7": f"65.00 {of_one_split}"}
    assert splits.split_row("fast", BY_SPLIT) == {"recipe": "fast", **expected}
    figures = splits.figures_of(BY_SPLIT)
    assert figures["accuracy"]["standard_deviation"] == pytest.approx(deviation / 100)
    assert figures["accuracy_by_split"][7]["mean"] == pytest.approx(0.65)


def test_one_run_has_no_deviation():
    assert splits.recipe_row("fast", {1: [report(0.9, 0.2)]})["accuracy"] == "90.00"


def test_a_recipe_is_the_defaults_or_a_file_of_flags(tmp_path):
    (tmp_path / "mine.flags").write_text("--epochs=3\n--noaudit\n")
    (tmp_path / "wrong.flags").write_text("--epoch=3\n")
    assert recipe_config("default") == TrainConfig()
    assert recipe_config("tutorial").schedule == "inverse_time"
    assert recipe_config(f"{tmp_path}/mine.flags") == TrainConfig(epochs=3, audit=False)
    for name in ("nothing", f"{tmp_path}/nothing.flags", f"{tmp_path}/wrong.flags"):
        with pytest.raises(InputError) as caught:
            recipe_config(name)
        assert f"received the recipe {name} (" in str(caught.value)


@pytest.fixture
def arguments(image_folder, tmp_path):
    (tmp_path / "tiny.flags").write_text("--epochs=1\n--batch_size=8\n--precision=float32\n")
    return [
        f"--source={image_folder}",
        f"--work_dir={tmp_path / 'work'}",
        f"--json={tmp_path / 'splits.json'}",
        f"--recipes={tmp_path / 'tiny.flags'}",
        "--split_seeds=5",
        "--seeds=3",
    ]


def test_it_trains_what_is_not_there_and_keeps_what_is(arguments, tmp_path, monkeypatch, capsys):
    command = [sys.executable, "-m", "benchmarks.splits", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    (run_dir,) = (tmp_path / "work/split-5/runs").glob("*seed=3")
    found = json.loads((run_dir / "report.json").read_text())
    table = json.loads((tmp_path / "splits.json").read_text())
    assert list(table["reports"].values()) == [{"5": [found]}]
    assert f"{100 * found['accuracy']:.2f}" in done.stdout
    assert not (run_dir / "misclassified.png").exists()
    settings = json.loads((tmp_path / "work/split-5/set/manifest.json").read_text())["settings"]
    assert settings["split_seed"] == 5

    monkeypatch.setattr(sys, "argv", ["splits", *arguments])
    monkeypatch.setattr(splits, "converted", lambda *_: None)  # the set is there
    (run_dir / "report.json").write_text(json.dumps({**found, "accuracy": 0.1234}))
    splits.main()
    assert "12.34" in capsys.readouterr().out

    flags = json.loads((run_dir / "config.json").read_text())
    (run_dir / "config.json").write_text(json.dumps({**flags, "learning_rate": 0.5}))
    with pytest.raises(SystemExit) as caught:
        splits.main()
    assert f"received --work_dir={run_dir.parent}" in caught.value.code
    assert "learning_rate=0.5" in caught.value.code


def test_ctrl_c_ends_it_in_one_line(arguments, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["splits", *arguments])
    monkeypatch.setattr(splits, "converted", interrupt)
    with pytest.raises(SystemExit) as caught:
        splits.main()
    assert caught.value.code == 130
    assert capsys.readouterr().err.splitlines() == ["split 5", "stopped"]


@pytest.mark.parametrize(
    "flag, status, told",
    [
        ("--source=nowhere", 1, "received --source=nowhere"),
        ("--recipes=nothing", 1, "received the recipe nothing"),
        ("--seeds=1,1", 2, "received 1,1, expected no value twice"),
        ("--split_seeds=-1", 2, "received -1, expected 0 or more"),
        ("--json=setup.py/splits.json", 2, "received --json=setup.py/splits.json, which cannot"),
    ],
)
def test_what_it_cannot_use_it_names(arguments, monkeypatch, capsys, flag, status, told):
    monkeypatch.setattr(sys, "argv", ["splits", *arguments, flag])
    with pytest.raises(SystemExit) as caught:
        splits.main()
    code = caught.value.code
    assert (2 if code == 2 else 1) == status
    assert told in f"{code}{capsys.readouterr().err}"
