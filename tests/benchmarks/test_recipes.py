"""The tutorial's procedure beside our recipes: what is measured, and how it is read and told."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import kept_measurements, recipes
from benchmarks.kept_measurements import KeptMeasurements
from benchmarks.measured_process import Measured
from benchmarks.training_results import evaluations_in, of_procedure, of_run, seconds_to_target
from benchmarks.tutorial_procedure import CLASSES, image_paths

ROOT = Path(__file__).parents[2]


def run(name, *flags):
    command = [sys.executable, "-m", f"benchmarks.{name}", *map(str, flags)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture
def source(tmp_path, make_jpeg):
    for label, class_name in enumerate(CLASSES):
        folder = tmp_path / "source" / class_name
        folder.mkdir(parents=True)
        for number in range(24):
            (folder / f"image_{number:04}.jpg").write_bytes(make_jpeg(100 * label + number))
    return tmp_path / "source"


def test_the_procedure_goes_its_way_from_images_to_a_report(source, tmp_path):
    done = run(
        "tutorial_procedure", f"--source={source}", "--epochs=3", f"--plot={tmp_path / 'plot.png'}"
    )
    assert done.returncode == 0, done.stderr
    assert "macro avg" in done.stdout
    assert (tmp_path / "plot.png").exists()
    told = json.loads(done.stdout.splitlines()[-1])
    # Of 72 images, in three batches: what an epoch of two steps leaves, the next begins with.
    assert told["steps"] == 6
    times = [epoch["seconds"] for epoch in told["epochs"]]
    assert 0 < times[0] < times[1] < times[2] < told["seconds"]
    assert list(told["recall"]) == list(CLASSES)
    # Each class has as many test images.
    assert told["accuracy"] == pytest.approx(sum(told["recall"].values()) / len(CLASSES))
    assert told["accuracy"] == pytest.approx(told["epochs"][-1]["accuracy"])


@pytest.mark.parametrize(
    "name, flags, received",
    [
        ("tutorial_procedure", ["--epochs=0"], "--epochs=0"),
        ("tutorial_procedure", ["--classes=Faces,Leopards"], "--classes=Faces,Leopards"),
        ("tutorial_procedure", ["--classes=Faces,Leopards,none"], "of the class none"),
        ("recipes", ["--work_dir=never", "--rounds=0"], "--rounds=0"),
        ("recipes", ["--work_dir=never", "--source=nowhere"], "nowhere"),
        ("recipes", ["--work_dir=setup.py"], "setup.py, which cannot be made"),
    ],
)
def test_what_cannot_be_measured_is_named_in_one_line(source, name, flags, received):
    done = run(name, f"--source={source}", *flags)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert received in done.stderr
    assert "expected" in done.stderr
    assert not (ROOT / "never").exists()


def test_images_come_in_the_order_of_their_names(source):
    names = [path.relative_to(source).as_posix() for path in image_paths(source, CLASSES[::-1])]
    assert names == sorted(names)
    assert len(names) == 96


def test_a_set_counts_only_with_the_images_of_the_procedure(source, tmp_path):
    from pipelines.conversion.convert import convert
    from pipelines.sources import open_source
    from pipelines.tfrecords.manifest import Settings

    others = {"other": {"split_seed": 43}, "less": {"validation_fraction": 0.2}}
    for name, settings in ({"same": {}} | others).items():
        convert(open_source(str(source)), Settings(**settings), tmp_path / name)
    recipes.check_images(tmp_path / "same", source)
    for name in others:
        with pytest.raises(SystemExit, match=f"the set {name} has other images for training"):
            recipes.check_images(tmp_path / name, source)
    with pytest.raises(SystemExit, match="nowhere"):
        recipes.check_images(tmp_path / "nowhere", source)


def test_the_procedure_is_timed_from_the_start_of_its_process():
    epochs = [{"seconds": 5.0, "accuracy": 0.9}, {"seconds": 7.0, "accuracy": 0.97}]
    told = {"began": 1002.0, "epochs": epochs, "accuracy": 0.97, "macro_f1": 0.9, "recall": {}}
    found = of_procedure(f"a report\n{json.dumps(told)}\n", started=1000.0)
    assert found["seconds_to_target"] == 9.0
    assert seconds_to_target([(1.0, 0.9699)], started=0.0) is None


def test_a_run_is_timed_by_its_event_files(tmp_path):
    written = _write_run(tmp_path, [0.96, 0.98, 0.5])
    found = evaluations_in(tmp_path)
    assert [accuracy for _, accuracy in found] == [0.96, 0.98, 0.5]
    for (at, _), (before, after) in zip(found, written, strict=True):
        assert before <= at <= after
    result = of_run(tmp_path, started=written[0][0])
    assert result["seconds_to_target"] == found[1][0] - written[0][0]
    assert result["recall"] == {"Leopards": 0.5}


def _write_run(run_dir, accuracies):
    """What a run of these accuracies writes; gives the times around each evaluation's events."""
    from trainer.history import EpochRecord, EvalMetrics, TrainMetrics, write_csv
    from trainer.summaries.scalars import write_epoch
    from trainer.summaries.writers import Writers

    train = TrainMetrics(1.0, 0.99, 1.0, 1.0, 0.0, 0.1)
    history = [
        EpochRecord(epoch, 10 * epoch, train, EvalMetrics(1.0, accuracy, [accuracy]))
        for epoch, accuracy in enumerate(accuracies, 1)
    ]
    writers, written = Writers(run_dir, "test"), []
    for record in history:
        before = time.time()
        write_epoch(writers, record, ["Leopards"], [3])
        written.append((before, time.time()))
    writers.close()
    write_csv(run_dir / "history.csv", history, ["Leopards"])
    per_class = {"Leopards": {"recall": 0.5, "f1": 0.6}}
    report = {"accuracy": 0.5, "macro_f1": 0.6, "per_class": per_class}
    (run_dir / "report.json").write_text(json.dumps(report))
    return written


@pytest.fixture
def processes(monkeypatch):
    """No process is started; gives the commands of those that would have been."""
    started = []

    def run_measured(*command):
        started.append(command)
        return Measured("42", 7.0, 300.0, ())

    monkeypatch.setattr(kept_measurements, "run_measured", run_measured)
    return started


def test_what_is_measured_is_found_again_and_what_was_begun_goes(tmp_path, processes, monkeypatch):
    def measure(command="-V", based_on=""):
        kept = KeptMeasurements(tmp_path)
        return kept.measure("run-0", [command], lambda found, _: {"output": found.output}, based_on)

    (tmp_path / "run-0").mkdir()  # left by a process that was stopped
    first = measure()
    assert not (tmp_path / "run-0").exists()
    assert (first["output"], first["seconds"], first["peak_mb"]) == ("42", 7.0, 300.0)
    (tmp_path / "run-0").mkdir()
    assert measure() == first
    assert (tmp_path / "run-0").exists()
    assert processes == [("-V",)]
    for other in ({"command": "-h"}, {"based_on": "--epochs=3"}):
        with pytest.raises(SystemExit, match="run-0.json is of another command, recipe"):
            measure(**other)
    monkeypatch.setattr(kept_measurements, "package_versions", lambda: {"tensorflow": "3.0"})
    with pytest.raises(SystemExit, match="or version of a package"):
        measure()


def test_the_table_has_means_deviations_and_speed_ups():
    def measurement(seconds, to_target=None):
        return {
            "seconds": seconds,
            "seconds_to_target": to_target,
            "accuracy": 0.9,
            "recall": {"Leopards": 0.5},
            "peak_mb": seconds,
        }

    done = {
        "tutorial-procedure": [measurement(100.0)],
        "conversion": [{"seconds": 9.0, "peak_mb": 1.0}],
        "conversion-pixels": [{"seconds": 5.0, "peak_mb": 1.0}, {"seconds": 5.0, "peak_mb": 1.0}],
        "fast": [measurement(19.0, 10.0), measurement(21.0)],
    }
    procedure, _, conversion, fast = recipes.rows(done)
    assert (procedure["seconds"], procedure["to 97 %"]) == ("100.0", "-")
    assert (conversion["seconds"], conversion["accuracy, %"]) == ("5.0 ± 0.0", "-")
    assert (fast["seconds"], fast["to 97 %"]) == ("20.0 ± 1.4", "10.0 (1 of 2)")
    assert (fast["accuracy, %"], fast["recall of Leopards, %"]) == ("90.00 ± 0.00", "50.0 ± 0.0")
    assert (fast["memory, MB"], fast["speed-up"], fast["with conversion"]) == (21, 5.0, 4.0)
    assert procedure["speed-up"] == conversion["with conversion"] == "-"
