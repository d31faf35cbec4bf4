"""A run as a process: its flags, its end, its signals; tiny programs stand in for the trainer."""

import os
import signal
import sys
import threading
import time

import pytest

from pipelines.runtime.command import define_flags, parse_config
from pipelines.runtime.errors import InputError
from trainer.config import TrainConfig
from trainer.studying.run_process import run_to_end, trainer_flags

SECONDS_AT_MOST = 60
HEAD = "import os, signal, sys, time\n"


def run(tmp_path, program):
    return run_to_end([sys.executable, "-uSc", HEAD + program], tmp_path / "logs" / "run.txt")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"epochs": 3, "learning_rate": 1e-5, "init": "orthogonal", "run_dir": "a dir/l2=1,seed=0"},
        {"batch_norm": False, "oversample": True, "horizontal_flip": False},
        {"classes": ("cats", "dogs"), "clip_norm": 1.0, "weight_decay": 0.1, "optimizer": "adamw"},
    ],
)
def test_the_flags_make_the_same_config(changes):
    config = TrainConfig(**changes)
    arguments = trainer_flags(config)
    assert len(arguments) == len(changes)
    assert parse_config(TrainConfig, define_flags(TrainConfig), ["main", *arguments]) == config


def test_what_it_prints_is_kept_and_its_reason_given(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "run.txt").write_text("python -m trainer.main: an older reason.\n")
    program = """
print("epoch 1")
print("python -m trainer.main: received this; do that.", file=sys.stderr)
print("and more")
sys.exit(1)
"""
    ended = run(tmp_path, program)
    assert (ended.status, ended.signal_number) == (1, None)
    assert ended.reason == "received this; do that."
    assert (tmp_path / "logs" / "run.txt").read_text().splitlines() == [
        "python -m trainer.main: an older reason.",
        "epoch 1",
        "python -m trainer.main: received this; do that.",
        "and more",
    ]


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise ValueError('unforeseen')", "ValueError: unforeseen"),
        (
            "print('epoch 1', flush=True); os.kill(os.getpid(), 9)",
            "was killed by SIGKILL, as when memory runs out",
        ),
        ("sys.exit(3)", "ended with status 3"),
        ("print('fine')", ""),
    ],
)
def test_reasons(tmp_path, program, reason):
    """Those of an earlier try, which are in the same file, do not count."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "run.txt").write_text("python -m trainer.main: an older reason.\n")
    assert run(tmp_path, program).reason == reason


def send(numbers, ready):
    """Sends this process signals, one after the other, once the program is ready."""

    def wait_and_send():
        deadline = time.monotonic() + SECONDS_AT_MOST
        while not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        for number, seconds in numbers:
            os.kill(os.getpid(), number)
            time.sleep(seconds)

    thread = threading.Thread(target=wait_and_send)
    thread.start()
    return thread


@pytest.fixture
def handlers():
    """Handlers that a signal which is not passed on would come to; there is none of this kind."""
    reached = []
    before = {
        number: signal.signal(number, lambda number, frame: reached.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    yield reached
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_passed_on_once_and_the_run_saves_itself(
    tmp_path, handlers, note_fault, number
):
    happened = note_fault("studies", f"{number.name} to a study")
    ready = tmp_path / "ready"
    program = f"""
def on(number, frame):
    print("got", signal.Signals(number).name)
    time.sleep(0.3)
    print("saved")
    sys.exit(128 + number)

signal.signal(signal.SIGINT, on)
signal.signal(signal.SIGTERM, on)
open({str(ready)!r}, "w").close()
time.sleep({SECONDS_AT_MOST})
"""
    # Twice, as under `timeout`, which sends it to its child and to its group.
    thread = send([(number, 0.05), (number, 0)], ready)
    ended = run(tmp_path, program)
    thread.join()
    assert (tmp_path / "logs" / "run.txt").read_text() == f"got {number.name}\nsaved\n"
    assert (ended.status, ended.signal_number) == (128 + number, number)
    assert handlers == []
    os.kill(os.getpid(), number)  # the handlers of before are there again
    assert handlers == [number]
    happened("passed on once; the run saves itself")


def test_a_second_ctrl_c_kills(tmp_path, handlers, note_fault):
    happened = note_fault("studies", "a second Ctrl-C, the run does not end")
    ready = tmp_path / "ready"
    program = f"""
signal.signal(signal.SIGINT, signal.SIG_IGN)
open({str(ready)!r}, "w").close()
time.sleep({SECONDS_AT_MOST})
"""
    thread = send([(signal.SIGINT, 0.7), (signal.SIGINT, 0)], ready)
    ended = run(tmp_path, program)
    thread.join()
    happened("the run is killed")
    assert (ended.status, ended.signal_number) == (-signal.SIGKILL, signal.SIGINT)


def test_a_log_that_cannot_be_written(tmp_path):
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(InputError, match="received an error at the start of a run"):
        run(tmp_path, "")
