"""A dry run checks what a run checks, says what is to come, and leaves nothing behind."""

import re
import shutil

import pytest

from pipelines.runtime.errors import InputError
from pipelines.runtime.files import locked
from trainer.config import TrainConfig
from trainer.rehearsal import expected_time
from trainer.rehearsal.dry_run import dry_run
from trainer.train import train

SMALL = {"image_size": 12, "batch_size": 4, "epochs": 2, "precision": "float32"}


@pytest.fixture(autouse=True)
def little_time(monkeypatch):
    monkeypatch.setattr(expected_time, "_SECONDS", 0.1)


@pytest.fixture
def shapes(data_dir, tmp_path):
    return shutil.copytree(data_dir, tmp_path / "shapes")


def contents(directory):
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in [directory, *directory.rglob("*")]
    }


def rehearse(data_dir, run_dir, **changes):
    dry_run(TrainConfig(data_dir=str(data_dir), run_dir=str(run_dir), **{**SMALL, **changes}))


def test_it_says_what_is_to_come_and_leaves_nothing(shapes, tmp_path, capsys):
    before = contents(tmp_path)
    rehearse(shapes, tmp_path / "new" / "run", strategy="mirrored", virtual_devices=2, cache="disk")
    assert contents(tmp_path) == before
    text = capsys.readouterr().out
    for part in (
        "* --batch_size=4  (default: 16)\n",
        "Total params: ",
        f"cache     disk: to be made in {shapes}.cache: 17 kB\n",
        "batch     4 images, 2 on each of 2 replicas\n",
        "steps     4 an epoch, 8 in all\n",
        f"run       {tmp_path}/new/run\n",
        "nothing was written",
    ):
        assert part in text
    # Two evaluations of 6 test images in batches of 4; the second is the report's.
    assert re.search(r"about \d+:\d\d, an estimate: .* 8 steps of \d+ ms, 4 batches to", text)
    summary = text.partition("Model:")[2].partition("Total params")[0]
    assert max(map(len, summary.splitlines())) == 80 and "\x1b" not in summary


def test_it_says_where_a_run_would_go_on_and_leaves_that_as_it_is(data_dir, tmp_path, capsys):
    run_dir = tmp_path / "run"
    train(TrainConfig(data_dir=str(data_dir), run_dir=str(run_dir), **SMALL))
    capsys.readouterr()
    before = contents(run_dir)
    rehearse(data_dir, run_dir)
    assert "the run is finished" in capsys.readouterr().out
    with pytest.raises(InputError, match="--seed=0 is now 1; expected the same to go on with it"):
        rehearse(data_dir, run_dir, seed=1)
    assert contents(run_dir) == before
    (run_dir / "report.json").unlink()
    (run_dir / "checkpoints" / "step-0000000008.npz").unlink()
    before = contents(run_dir)
    rehearse(data_dir, run_dir)
    text = capsys.readouterr().out
    assert f"resumed   after step 4 of 8, from {run_dir}\n" in text
    assert "steps     4 an epoch, 8 in all, of which 4 are left\n" in text
    assert " 4 steps of " in text and " 2 batches to evaluate" in text
    assert contents(run_dir) == before


def test_what_a_run_would_refuse_is_refused(data_dir, tmp_path):
    (tmp_path / "file").write_text("")
    for changes, message in (
        ({"batch_size": 1000}, "choose a smaller --batch_size"),
        ({"run_dir": str(tmp_path / "file" / "run")}, "can be made (Not a directory)"),
        ({"run_dir": str(data_dir)}, "holds something that is no run"),
        ({"resume": "/nowhere"}, "received --resume=/nowhere"),
    ):
        flags = {"data_dir": str(data_dir), "run_dir": str(tmp_path / "run"), **SMALL, **changes}
        with pytest.raises(InputError) as caught:
            dry_run(TrainConfig(**flags))
        assert message in str(caught.value)
    (tmp_path / "used").mkdir()
    with locked(tmp_path / "used"), pytest.raises(InputError, match="another trainer is at work"):
        rehearse(data_dir, tmp_path / "used")
    assert not (tmp_path / "run").exists()
