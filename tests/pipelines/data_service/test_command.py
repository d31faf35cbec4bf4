"""The command starts services, and leaves none behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import psutil
import pytest

from tests.pipelines.data_service.reading import SECONDS_AT_MOST, within_time

ROOT = Path(__file__).parents[3]
TWO = ("--port=0", "--workers=2", "--host=localhost")

# Trains once with each of the flags in `hows`, in run directories that are called 0, 1 and so on.
TRAIN = """
import sys
from pipelines.runtime.command import run
from pipelines.runtime.tensorflow_runtime import import_tensorflow
import_tensorflow()
from tests.small_network import build_small
from trainer import loop_setup
from trainer.main import MainConfig, main

loop_setup.build_model = build_small
command, (base, *flags), hows = sys.argv[0], {flags!r}, {hows!r}
for number, how in enumerate(hows):
    sys.argv = [command, *flags, how, f"--run_dir={{base}}/{{number}}"]
    run(main, MainConfig)
"""


@pytest.fixture
def start_command():
    """Starts the command; gives its process, those that it started, and the line it prints."""
    commands = []

    def start(*flags):
        command = subprocess.Popen(
            [sys.executable, "-m", "pipelines.data_service", *flags],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # A test run in the background of a shell ignores SIGINT, and hands that on.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        commands.append(command)
        line = within_time(command.stdout.readline)
        return command, psutil.Process(command.pid).children(recursive=True), line.strip()

    yield start
    for command in commands:
        command.kill()
        command.communicate(timeout=SECONDS_AT_MOST)


def ended(command, children):
    """The command's status and what it printed as errors, once no process of it is left."""
    _, errors = command.communicate(timeout=SECONDS_AT_MOST)
    _, alive = psutil.wait_procs(children, timeout=SECONDS_AT_MOST)
    assert not alive
    return command.returncode, errors


def test_a_run_ends_with_the_same_weights(data_dir, tmp_path, start_command):
    command, children, line = start_command(*TWO)
    assert len(children) == 2
    flag, _, addresses = line.partition("=")
    assert flag == "--data_service" and len(addresses.split(",")) == 2
    flags = [str(tmp_path), "--image_size=16", "--batch_size=6", "--epochs=3"]
    flags += [f"--data_dir={data_dir}", "--strategy=mirrored", "--virtual_devices=2"]
    done = subprocess.run(
        [sys.executable, "-c", TRAIN.format(flags=flags, hows=[line, "--cache=none"])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_AT_MOST,
    )
    assert (done.returncode, done.stderr) == (0, "")
    served, expected = [
        keras.models.load_model(tmp_path / name / "model.keras").get_weights()
        for name in ("0", "1")
    ]
    for weight, expected_weight in zip(served, expected, strict=True):
        np.testing.assert_array_equal(weight, expected_weight)
    command.send_signal(signal.SIGTERM)
    message = "python -m pipelines.data_service: terminated.\n"
    assert ended(command, children) == (143, message)


def test_ctrl_c_stops_the_services(start_command):
    command, children, _ = start_command(*TWO)
    # As a terminal does: to all that it has started.
    os.killpg(command.pid, signal.SIGINT)
    message = "python -m pipelines.data_service: interrupted.\n"
    assert ended(command, children) == (130, message)


def test_no_service_outlives_the_command(start_command):
    command, children, _ = start_command(*TWO)
    assert len(children) == 2
    command.kill()
    assert ended(command, children)[0] == -signal.SIGKILL


def test_the_end_of_one_service_is_the_end_of_all(start_command):
    command, children, _ = start_command(*TWO)
    children[0].kill()
    status, errors = ended(command, children)
    assert status == 1
    assert "received the end of a service" in errors and len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (["--workers=0"], 2, "received --workers=0, expected at least 1"),
        (["--port=65535"], 2, "received --port=65535 for 2 ports, expected 0 to 65534"),
        (["--host=here:5050"], 2, "received --host=here:5050, expected a name"),
        (["--port=0", "--host=nowhere.invalid"], 1, "received --host=nowhere.invalid, but at"),
    ],
)
def test_what_cannot_be_is_one_line(start_command, flags, status, message):
    command, children, _ = start_command(*flags)
    found, errors = ended(command, children)
    assert found == status
    assert message in errors and len(errors.splitlines()) == 1


def test_a_port_in_use_is_one_line(services, start_command):
    """Another service's, which gRPC would share."""
    port = int(services[0].rpartition(":")[2])
    command, children, _ = start_command(f"--port={port}")
    status, errors = ended(command, children)
    assert status == 1
    assert f"but {port} cannot be had (Address already in use)" in errors
    assert len(errors.splitlines()) == 1
