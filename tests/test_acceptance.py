"""The main job on the real images: minutes each, so only with `-m slow`."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.interruptions.training.conftest import read_ending
from trainer.checkpoint_files import checkpoints_in

ROOT = Path(__file__).parents[1]
ARCHIVE = ROOT.parent / "shared" / "data" / "101_ObjectCategories.tar.gz"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ARCHIVE.exists(), reason=f"needs Caltech-101's images in {ARCHIVE}"),
]


def run(module, *flags):
    subprocess.run([sys.executable, "-m", module, *flags], cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def caltech4(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data") / "caltech4"
    run("pipelines.make_tfrecords", f"--source={ARCHIVE}", f"--output_dir={directory}")
    return directory


@pytest.mark.parametrize("seed", [0, 1])
def test_the_default_recipe_reaches_98_percent_on_two_replicas(caltech4, tmp_path, seed):
    run_dir = tmp_path / "run"
    devices = ("--strategy=mirrored", "--virtual_devices=2")
    run(
        "trainer.main", f"--data_dir={caltech4}", f"--run_dir={run_dir}", f"--seed={seed}", *devices
    )
    report = json.loads((run_dir / "report.json").read_text())
    assert report["examples"] == 559
    # Of 15 runs (README) the mean is 99.57 % with a deviation of 0.32: the bound is five below.
    assert report["accuracy"] >= 0.98


def test_the_fast_recipe_reaches_97_percent(caltech4, tmp_path):
    flags = (f"--data_dir={caltech4}", "--flagfile=recipes/fast.flags")
    accuracies = []
    for seed in range(3):
        run_dir = tmp_path / f"run{seed}"
        run("trainer.main", *flags, f"--run_dir={run_dir}", f"--seed={seed}")
        accuracies.append(json.loads((run_dir / "report.json").read_text())["accuracy"])
    # Of 15 runs (README) the mean is 98.06 % with a deviation of 0.51: 0.3 for three's mean.
    assert np.mean(accuracies) >= 0.97


def test_two_workers_of_which_one_is_killed_do_as_two_replicas(caltech4, tmp_path, note_fault):
    happened = note_fault("several workers", "real images, one of two workers killed in epoch 3")
    flags = (f"--data_dir={caltech4}", "--epochs=5", "--sync_batch_norm")
    devices = ("--strategy=mirrored", "--virtual_devices=2")
    run("trainer.main", *flags, f"--run_dir={tmp_path / 'replicas'}", *devices)
    workers = tmp_path / "workers"
    launch = ("trainer.launch", "--workers=2", "--", *flags, f"--run_dir={workers}")
    killed = subprocess.Popen(
        [sys.executable, "-m", *launch], cwd=ROOT, text=True, stderr=subprocess.PIPE
    )
    wait_for(lambda: len(checkpoints_in(workers / "checkpoints")) == 2, killed)
    worker_1 = psutil.Process(killed.pid).children()[1]
    worker_1.kill()
    errors = killed.communicate()[1]
    assert killed.returncode == 1
    assert "worker 1 was killed by SIGKILL" in errors.splitlines()[-1]
    run(*launch)
    one, other = read_report(tmp_path / "replicas"), read_report(workers)
    happened(f"status 1; then the report of two replicas, {one['accuracy']:.2%} right")
    assert one == other
    one, other = read_ending(tmp_path / "replicas"), read_ending(workers)
    assert one.history == other.history and one.events == other.events
    for name, array in one.model.items():
        np.testing.assert_array_equal(other.model[name], array, err_msg=name)


def wait_for(condition, process):
    while not condition():
        assert process.poll() is None
        time.sleep(0.1)


def read_report(run_dir):
    times = {"train_seconds", "images_per_second", "input_wait_fraction"}
    report = json.loads((run_dir / "report.json").read_text())
    return {name: value for name, value in report.items() if name not in times}
