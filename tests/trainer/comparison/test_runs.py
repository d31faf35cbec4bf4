"""What is read of runs, finished or not."""

import json
import shutil

import pytest

from pipelines.runtime.errors import InputError
from tests.trainer.made_runs import make_run
from trainer.comparison.runs import read_run, read_runs


def test_a_finished_run(tmp_path):
    run = read_run(make_run(tmp_path / "run", (0.5, 0.75, 0.625), speed=321.0, init="orthogonal"))
    assert [epoch.accuracy for epoch in run.epochs] == [0.5, 0.75, 0.625]
    assert run.result.epoch == 3 and run.result.loss == 0.375
    assert (run.name, run.flags["init"]) == ("run", "orthogonal")
    assert (run.is_finished, run.evaluated_split, run.images_per_second) == (
        True,
        "validation",
        321.0,
    )
    assert (run.parameters, run.multiply_adds, run.data, run.data_name) == (
        1000,
        2000,
        "a" * 64,
        "pets",
    )


def test_the_result_is_of_the_weights_that_are_kept(tmp_path):
    run = read_run(make_run(tmp_path / "run", (0.5, 0.75, 0.625), keep_best=True))
    assert (run.result.epoch, run.result.accuracy) == (2, 0.75)


def test_an_unfinished_run_is_read_from_its_newest_whole_checkpoint(tmp_path):
    run_dir = make_run(tmp_path / "run", (0.5, 0.75), finished=False, epochs=9, split="test")
    older = make_run(tmp_path / "older", (0.25,), finished=False) / "checkpoints"
    shutil.copytree(older, run_dir / "checkpoints", dirs_exist_ok=True)
    (run_dir / "checkpoints" / "step-0000000012.npz").write_bytes(b"cut")
    assert len(list((run_dir / "checkpoints").iterdir())) == 3
    run = read_run(run_dir)
    assert [epoch.accuracy for epoch in run.epochs] == [0.5, 0.75]
    assert (run.is_finished, run.evaluated_split, run.data) == (False, "test", "a" * 64)
    assert run.images_per_second == 100.0


def test_a_run_before_its_first_checkpoint(tmp_path):
    run = read_run(make_run(tmp_path / "run", (), finished=False, epochs=3))
    assert (run.epochs, run.result, run.data, run.images_per_second) == ((), None, None, None)


def test_a_finished_run_that_goes_on_is_that_of_its_checkpoint(tmp_path):
    run_dir = make_run(tmp_path / "run", (0.5,))
    shutil.copytree(
        make_run(tmp_path / "other", (0.5, 0.75), finished=False) / "checkpoints",
        run_dir / "checkpoints",
    )
    (run_dir / "report.json").unlink()
    assert len(read_run(run_dir).epochs) == 2


def test_directories_of_runs_are_looked_into_and_no_run_is_there_twice(tmp_path):
    for name in ("b", "a"):
        make_run(tmp_path / "runs" / name)
    (tmp_path / "runs" / "logs").mkdir()
    found = read_runs([f"{tmp_path}/runs/b", f"{tmp_path}/runs", f"{tmp_path}/runs/../runs/a"])
    assert [run.name for run in found] == ["b", "a"]


@pytest.mark.parametrize("place", ["nowhere", "empty"])
def test_where_there_is_no_run(tmp_path, place):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as caught:
        read_runs([str(tmp_path / place)])
    assert "expected a run directory or a directory of them" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.json", "{"),
        ("report.json", "[]"),
        ("history.csv", "epoch\n1\n"),
        ("history.csv", None),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, text):
    run_dir = make_run(tmp_path / "run")
    (run_dir / name).write_text(text) if text else (run_dir / name).unlink()
    with pytest.raises(InputError) as caught:
        read_run(run_dir)
    assert str(caught.value).startswith(f"received the run {run_dir}, of which a file cannot be")


def test_a_model_json_without_figures(tmp_path):
    run_dir = make_run(tmp_path / "run")
    (run_dir / "model.json").write_text(json.dumps({"data_name": "pets"}))
    run = read_run(run_dir)
    assert (run.parameters, run.data) == (None, None)
