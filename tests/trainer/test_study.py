"""The command trainer.study."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import load_manifest
from tests.trainer.made_runs import make_run
from trainer.study import StudyConfig, main

ROOT = Path(__file__).parents[2]
SECONDS_AT_MOST = 120


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"seeds": 0}, "received --seeds=0, expected at least 1"),
        ({"vary": ()}, "received no --vary, expected what the study is about"),
        ({"study_dir": ""}, "received --study_dir= without a value"),
        ({"study_name": "a/b"}, "received --study_name=a/b, expected a file's name"),
        ({"run_dir": "runs/x"}, "received --run_dir=runs/x, expected none"),
        ({"resume": "never"}, "received --resume=never, expected auto"),
        ({"strategy": "multi_worker"}, "expected a strategy of one process"),
        ({"vary": ("strategy=default,multi_worker",)}, "expected a strategy of one process"),
        ({"epochs": 0}, "received --epochs=0, expected at least 1"),
        ({"vary": ("epochs=1,0",)}, "for the combination --epochs=0: received --epochs=0"),
        ({"vary": ("l2=0,1",), "l2": 2.0}, "received --l2=2.0 and --vary=l2=..., expected one"),
        ({"seed": 2**32 - 1, "seeds": 2}, "received --seed=4294967296, expected less than 2**32"),
    ],
)
def test_wrong_usage(config, message):
    with pytest.raises(InputError) as caught:
        StudyConfig(**{"vary": ("l2=0,1",), **config})
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_flags_need_fit_each_other_only_in_the_combinations():
    config = StudyConfig(decay=0.01, vary=("schedule=inverse_time",))
    assert config.plan.runs[0].config.decay == 0.01


def test_a_dry_run_says_what_there_is_and_trains_nothing(data_dir, tmp_path, capsys):
    """Also when the runs that are there were made for a study of something else."""
    data = load_manifest(data_dir).fingerprint
    make_run(tmp_path / "epochs=2,seed=0", data=data)
    make_run(tmp_path / "l2=0.5,epochs=2,seed=1", l2=0.5, seed=1, finished=False, data=data)
    main(
        StudyConfig(
            data_dir=str(data_dir),
            study_dir=str(tmp_path),
            vary=("l2=0,0.5",),
            seeds=2,
            epochs=2,
            dry_run=True,
        )
    )
    assert capsys.readouterr().out.splitlines() == [
        f"study {tmp_path}: 2 combinations x 2 seeds = 4 runs, 2 to be run, 1 to go on, 1 finished "
        "already",
        "finished  epochs=2,seed=0",
        "new       epochs=2,seed=1",
        "new       l2=0.5,epochs=2,seed=0",
        "goes on   l2=0.5,epochs=2,seed=1",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "epochs=2,seed=0",
        "l2=0.5,epochs=2,seed=1",
    ]


def test_no_data_no_study(tmp_path):
    with pytest.raises(InputError, match="which does not exist, expected a finished set"):
        places = {"data_dir": str(tmp_path / "none"), "study_dir": str(tmp_path / "study")}
        main(StudyConfig(vary=("l2=0,1",), **places))
    assert not (tmp_path / "study").exists()


def test_the_commands_answer_without_tensorflow():
    program = "import sys, trainer.compare, trainer.study; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


@pytest.fixture
def study(data_dir, tmp_path):
    """Starts a study of one run; gives its process."""
    started = []

    def study():
        command = [
            sys.executable,
            "-m",
            "trainer.study",
            "--vary=init=orthogonal",
            "--study_name=init",
        ]
        flags = {
            "seeds": 1,
            "study_dir": tmp_path / "study",
            "data_dir": data_dir,
            "image_size": 16,
            "batch_size": 4,
            "epochs": 12,
            "augmentation": "none",
        }
        started.append(
            subprocess.Popen(
                [*command, *(f"--{name}={value}" for name, value in flags.items())],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            )
        )
        return started[-1]

    yield study
    for process in started:
        process.kill()
        process.communicate()


def test_a_study_that_is_stopped_goes_on_to_its_table(study, tmp_path, note_fault):
    happened = note_fault("studies", "SIGTERM to a study of real runs")
    first = (
        tmp_path
        / "study"
        / "image_size=16,batch_size=4,augmentation=none,init=orthogonal,epochs=12,seed=0"
    )
    process = study()
    deadline = time.monotonic() + SECONDS_AT_MOST
    while not any(first.glob("checkpoints/step-*.npz")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=SECONDS_AT_MOST)
    assert process.returncode == 143
    assert errors.startswith(f"python -m trainer.study: stopped in run 1 of 1, {first.name}, which")
    assert not (first / "report.json").exists()
    again = study()
    output, errors = again.communicate(timeout=SECONDS_AT_MOST)
    assert (again.returncode, errors) == (0, "")
    happened("status 143; the same command goes on")
    assert "1 combination x 1 seed = 1 run, 0 to be run, 1 to go on" in output
    log = (tmp_path / "study" / "logs" / f"{first.name}.txt").read_text()
    assert "stopped after step" in log and "resumed   after step" in log
    with (tmp_path / "study" / "init.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["init"], row["runs"]) for row in rows] == [("orthogonal", "1")]
    assert int(rows[0]["parameters"]) > 0 and int(rows[0]["multiply_adds"]) > 0
    assert (tmp_path / "study" / "init.png").stat().st_size > 10_000
