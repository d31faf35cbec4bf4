"""Two processes train together, by TensorFlow."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.testing.rounding import assert_same_but_for_rounding

ROOT = Path(__file__).parents[3]
SUMS, TRAINING = (
    f"tests.trainer.workers.{name}" for name in ("a_tensorflow_worker", "a_training_worker")
)


@pytest.fixture
def start(start_workers, addresses):
    def start(module, *flags):
        tasks = [{"type": "worker", "index": index} for index in range(2)]
        cluster = {"worker": addresses[:2]}
        return start_workers(
            [["-m", module, *flags]] * 2,
            [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks],
        )

    return start


@pytest.mark.numerics
def test_two_workers_with_two_replicas_train_as_four_replicas(start, data_dir, tmp_path):
    # Few and small steps, since the network enlarges what is rounded differently, and Adam still
    # more; smooth, since the slope of relu jumps where rounding changes a sign.
    flags = [f"--data_dir={data_dir}", "--epochs=1", "--image_size=16", "--batch_size=8",
             "--precision=float32", "--optimizer=sgd", "--learning_rate=1e-3",
             "--activation=elu"]  # fmt: skip
    workers = start(TRAINING, *flags, "--strategy=multi_worker", f"--run_dir={tmp_path / 'two'}")
    alone = subprocess.run(
        [sys.executable, "-m", "tests.testing.training_and_control", *flags, "--strategy=mirrored",
         "--virtual_devices=4", f"--run_dir={tmp_path / 'one'}"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert (alone.returncode, alone.stderr) == (0, "")
    ends = [workers.end(index) for index in range(2)]
    assert [(status, error) for status, _, error in ends] == [(0, "")] * 2
    assert "strategy multi_worker of 2 workers, 4 replicas on CPU" in ends[0][1]
    assert ends[1][1] == ""  # the first speaks for both
    two, one, control = (
        keras.models.load_model(tmp_path / run / "model.keras").get_weights()
        for run in ("two", "one", "one-control")
    )
    with np.load(tmp_path / "one-start.npz") as before:
        assert_same_but_for_rounding(two, one, control, list(before.values()))
    # Of 6 images: none is so near a tie that rounding would decide.
    reports = [json.loads((tmp_path / run / "report.json").read_text()) for run in ("one", "two")]
    assert reports[0]["per_class"] == reports[1]["per_class"]


def test_one_is_killed_in_the_middle_of_a_run(start, addresses, note_fault):
    happened = note_fault("several workers", "a worker is killed while both train")
    workers = start(SUMS, "--steps=1000000000")
    workers.wait_for_line("sum 101")
    workers.processes[1].kill()
    status, _, error = workers.end(0)
    happened(error.partition(": ")[2])
    assert status == 1
    assert error == (
        f"python -m {SUMS}: received the loss of worker 1 ({addresses[1]}): it ended or was "
        "killed, expected all workers to go on to the end; see what it said last, and start all "
        "workers again.\n"
    )
