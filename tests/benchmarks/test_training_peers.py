"""Training beside its peers: same rates for all, fair turns, ratios, and words for wrong usage."""

import argparse
import sys
from pathlib import Path

import pytest

from benchmarks import peer_runs, training_peers
from benchmarks.peer_runs import Place, Run
from benchmarks.training_course import OURS, PEAK_RATE, share_of_peak

OURS_RUN, KERAS_RUN = Run("ours", "float32"), Run("keras", "float32")


def place(tmp_path, **options):
    return Place(tmp_path / "images", tmp_path / "set", tmp_path, argparse.Namespace(**options))


def test_all_have_the_rates_of_ours():
    from benchmarks.keras_peer import learning_rate
    from trainer.config import TrainConfig
    from trainer.optimizer import make_optimizer

    epochs, steps = 4, 25
    schedule = make_optimizer(TrainConfig(epochs=epochs, **OURS), steps)._learning_rate
    total = epochs * steps
    for step in range(total + 1):
        ours = float(schedule(step))
        assert float(learning_rate(total)(step)) == pytest.approx(ours, abs=1e-8)
        assert PEAK_RATE * share_of_peak(step, total) == pytest.approx(ours, abs=1e-8)


def test_a_training_of_ours_is_told_of_by_epochs_after_the_first(tmp_path, data_dir, monkeypatch):
    monkeypatch.setitem(OURS, "batch_size", 6)
    found = peer_runs.epochs(
        OURS_RUN, place(tmp_path, epochs=2)._replace(data_dir=data_dir), number=0
    )
    assert 0 < found["epoch_seconds"] < found["seconds"]
    assert found["images_per_second"] > 0
    assert found["peak_mb"] > 100
    assert 0 <= found["accuracy"] <= 1
    assert not list(tmp_path.glob("float32*"))


def test_a_peer_is_measured_by_its_lines_after_the_first_epoch(tmp_path, monkeypatch):
    output = "some library's words\nepoch 64 50.0 0.25\nepoch 64 2.0 0.5\nepoch 32 1.0 0.75\n"
    measured = peer_runs.Measured(output, 80.0, 900.0, (1.0, 60.0, 63.0, 67.0))
    asked = []
    monkeypatch.setattr(
        peer_runs, "run_measured", lambda *all, python: asked.append((all, python)) or measured
    )
    found = peer_runs.epochs(
        Run("pytorch", "float32"), place(tmp_path, epochs=3, torch_python="its own"), number=7
    )
    assert found == {
        "images_per_second": 32.0,
        "epoch_seconds": 3.5,
        "seconds": 80.0,
        "peak_mb": 900.0,
        "accuracy": 0.75,
    }
    [(arguments, python)] = asked
    assert arguments[-3:] == (tmp_path / "images", 3, 7)
    assert python == "its own"


def test_each_round_begins_with_another_run(tmp_path, capsys):
    order = []

    def measure(run, place, number):
        order.append((number, run.name))
        return {"seconds": 1.0}

    found = peer_runs.in_turns([OURS_RUN, KERAS_RUN], measure, place(tmp_path, rounds=2))
    assert order == [(0, "ours"), (0, "keras"), (1, "keras"), (1, "ours")]
    assert [len(each) for each in found.values()] == [2, 2]
    assert capsys.readouterr().err.splitlines()[0] == "round 1/2, ours, float32: seconds 1"


def test_ratios_are_taken_within_rounds_and_precisions():
    found = {
        Run("ours", "float32"): [{"seconds": s} for s in (0.1, 0.2, 0.4)],
        Run("keras", "float32"): [{"seconds": s} for s in (0.3, 0.4, 0.4)],
        Run("ours", "mixed_bfloat16"): [{"seconds": s} for s in (0.01, 0.01, 0.01)],
    }
    rows = training_peers.COMPARISONS["step"][2](found)
    assert [row["step / ours"] for row in rows] == [1, pytest.approx(2), 1]
    assert [row["ms a step"] for row in rows] == [200, 400, 10]
    assert rows[0]["images/s"] == 160


@pytest.mark.parametrize(
    "flags, received",
    [
        (["--source=nowhere"], "--source=nowhere"),
        (["--epochs=1"], "--epochs=1"),
        (["--rounds=0"], "--rounds=0"),
        (["--torch_python=nowhere"], "--torch_python=nowhere"),
    ],
)
def test_what_it_cannot_use_it_names_in_one_line(image_folder, monkeypatch, flags, received):
    monkeypatch.setattr(sys, "argv", ["training_peers", f"--source={image_folder}", *flags])
    with pytest.raises(SystemExit) as raised:
        training_peers.main()
    assert f"received {received}" in str(raised.value)
    assert "expected" in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_the_test_images_can_be_had_too(tmp_path, image_folder, data_dir):
    from benchmarks.training_images import write_images
    from pipelines.tfrecords.manifest import load_manifest

    splits = load_manifest(data_dir).splits
    for split, wanted in splits.items():
        assert write_images(data_dir, image_folder, tmp_path / split, split) == wanted.num_examples
    stored = {split: _contents(tmp_path / split) for split in splits}
    assert stored["train"].isdisjoint(stored["test"])
    assert stored["train"] | stored["test"] == _contents(image_folder)


def _contents(folder: Path) -> set[bytes]:
    return {path.read_bytes() for path in folder.glob("*/*")}
