"""Several workers: they compute what one process does, and stop, fall and go on together."""

import json
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

from pipelines.runtime.machine import free_ports
from tests.interruptions.fork_server import ROOT, environment
from tests.interruptions.training.conftest import FLAGS, REPLICAS

WORKERS = "--strategy=multi_worker"


@pytest.fixture
def run_workers(trainings):
    """Runs two workers; `how` is for the second."""

    def run(run_dir, **how):
        addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
        jobs = []
        for index, more in enumerate(({}, how)):
            task = {"type": "worker", "index": index}
            cluster = json.dumps({"cluster": {"worker": addresses}, "task": task})
            environment = {"TF_CONFIG": cluster}
            jobs.append(trainings.job(run_dir, *FLAGS, WORKERS, environment=environment, **more))
        return trainings.run_together(*jobs)

    return run


def test_one_is_preempted_then_one_is_killed(
    run_workers, trainings, tmp_path, assert_same, note_fault
):
    """SIGTERM to one worker only is what platforms send to a machine that they will take away."""
    happened_at_term = note_fault("several workers", "SIGTERM to one of two workers")
    happened_at_kill = note_fault("several workers", "kill -9 of one of two workers")
    stopped = run_workers(tmp_path / "run", signal=signal.SIGTERM, at="train 1")
    chief, killed = run_workers(tmp_path / "run", signal=signal.SIGKILL, at="train 6")
    last = run_workers(tmp_path / "run")
    happened_at_term("both: status 143 after the same step, saved; one line")
    happened_at_kill("the other: status 1, one line; then as two replicas, bit for bit")
    assert [worker.status for worker in stopped] == [143, 143]
    places = {worker.errors.partition("stopped after ")[2][:6] for worker in stopped}
    assert len(places) == 1 and places <= {"step 2", "step 3"}
    assert [len(worker.errors.splitlines()) for worker in stopped] == [1, 1]
    assert "resumed   after step" in chief.output
    assert killed.status == -signal.SIGKILL
    assert chief.status == 1 and len(chief.errors.splitlines()) == 1
    assert "received the loss of worker 1" in chief.errors
    assert [(worker.status, worker.errors) for worker in last] == [(0, "")] * 2
    assert "resumed   after step 3 of 6" in last[0].output
    assert_same(tmp_path / "run", trainings.undisturbed("2 replicas"))


@pytest.mark.slow
def test_the_launcher(trainings, tmp_path, assert_same, note_fault):
    """The command itself, with StridedNet: SIGTERM to it, then a worker killed, then to the end."""
    happened_at_term = note_fault("several workers", "SIGTERM to the launcher of two")
    happened_at_kill = note_fault("several workers", "kill -9 of one of two, under the launcher")
    run_dir = tmp_path / "run"
    flags = ("--epochs=60", "--average_decay=0.9")
    replicas = trainings.run(tmp_path / "replicas", *flags, *REPLICAS, network="whole")
    assert replicas.status == 0
    worker_flags = trainings.job(run_dir, *flags)["flags"]
    command = [sys.executable, "-m", "trainer.launch", "--", f"--run_dir={run_dir}", *worker_flags]

    def launch(newest, stop):
        """Calls `stop` when that checkpoint is there; gives the status and the last line."""
        launcher = subprocess.Popen(
            command, cwd=ROOT, env=environment(), text=True, stderr=subprocess.PIPE
        )
        while launcher.poll() is None and not (run_dir / "checkpoints" / newest).exists():
            time.sleep(0.02)
        stop(launcher)
        return launcher.wait(), launcher.stderr.read().splitlines()

    terminated = launch("step-0000000030.npz", lambda launcher: launcher.terminate())
    killed = launch(
        "step-0000000090.npz", lambda launcher: psutil.Process(launcher.pid).children()[1].kill()
    )
    last = launch("step-0000000180.npz", lambda launcher: None)
    happened_at_term(f"status {terminated[0]}, all saved after the same step")
    happened_at_kill(f"status {killed[0]}, names it; then as two replicas, bit for bit")
    assert terminated[0] == 143
    told = [re.search(r"\[worker \d\] .* stopped after (step \d+)", line) for line in terminated[1]]
    steps = [found[1] for found in told if found]
    assert len(steps) == 2 and len(set(steps)) == 1
    assert killed[0] == 1 and "worker 1 was killed by SIGKILL" in killed[1][-1]
    assert last == (0, [])
    assert_same(run_dir, tmp_path / "replicas")
