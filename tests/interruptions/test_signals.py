"""Ctrl-C and SIGTERM at any moment: one line, the earlier set or the new one, nothing beside it."""

import functools
import os
import re
import signal
from collections import Counter

import pytest

REPLACE = ("--overwrite", "--seed=1")
SIGNALS = pytest.mark.parametrize(
    ("by", "status", "message"),
    [(signal.SIGTERM, 143, "terminated."), (signal.SIGINT, 130, "interrupted.")],
    ids=["SIGTERM", "SIGINT"],
)


def _is_one_line(errors: str, message: str) -> bool:
    return bool(re.fullmatch(rf"python -m \S+: {re.escape(message)}\n", errors))


def test_at_every_step(forks, tmp_path, note_fault, tell):
    happened = note_fault("interruption", "SIGTERM at every step")
    states: Counter[str] = Counter()
    for output_dir, stopped in forks.interrupt_at_every_step(
        tmp_path, "--seed=1", by=signal.SIGTERM
    ):
        assert stopped.status == 143 and _is_one_line(stopped.errors, "terminated.")
        states[forks.state(output_dir)] += 1
        # Else not even the folder that is made for it.
        assert not output_dir.parent.exists() or os.listdir(output_dir.parent) == ["set"]
    happened(f"status 143, one line; {tell(states)}")
    assert states.keys() == {"absent", "set 1"}


@SIGNALS
def test_at_every_step_of_a_replacement(by, status, message, forks, tmp_path, note_fault, tell):
    happened = note_fault("interruption", f"{by.name} at every step, replacing")
    states: Counter[str] = Counter()
    for output_dir, stopped in forks.interrupt_at_every_step(
        tmp_path, *REPLACE, by=by, before=functools.partial(forks.put, 0)
    ):
        assert stopped.status == status and _is_one_line(stopped.errors, message)
        states[forks.state(output_dir)] += 1
        assert os.listdir(output_dir.parent) == ["set"]
    happened(f"status {status}, one line; {tell(states)}")
    assert states.keys() == {"set 0", "set 1"}


@pytest.mark.parametrize(
    ("at", "state"),
    [
        ("after os.mkdir .set.tmp-", "set 0"),
        ("after os.rename .set.old-", "set 0"),
        ("after os.rename set", "set 1"),
    ],
)
def test_right_after_a_system_call(at, state, forks, tmp_path, note_fault, tell):
    """Before Python has run the next line, which could have noted what was done."""
    happened = note_fault("interruption", f"SIGTERM right {at}")
    forks.put(0, tmp_path / "set")
    stopped = forks.run(tmp_path / "set", *REPLACE, signal=signal.SIGTERM, at=at)
    found = forks.state(tmp_path / "set")
    happened(f"status {stopped.status}; {tell(Counter([found]))}")
    assert stopped.status == 143
    assert found == state and os.listdir(tmp_path) == ["set"]


@SIGNALS
def test_while_tensorflow_is_imported(by, status, message, tmp_path, run_command, note_fault):
    happened = note_fault("interruption", f"{by.name} while TensorFlow is imported")
    stopped = run_command(
        tmp_path / "new" / "set",
        tensorflow=f"import os; os.write(2, b'oneDNN is on'); os.kill(os.getpid(), {by:d})",
    )
    happened(f"status {stopped.returncode}, {len(stopped.stderr.splitlines())} line")
    assert stopped.returncode == status and _is_one_line(stopped.stderr, message)
    assert os.listdir(tmp_path) == []


def test_ctrl_c_on_the_command(forks, tmp_path, run_command, signal_at, note_fault):
    happened = note_fault("interruption", "Ctrl-C on the command")
    forks.put(0, tmp_path / "set")
    stopped = run_command(
        tmp_path / "set", *REPLACE, sitecustomize=signal_at(signal.SIGINT, "open .*tfrecord-")
    )
    happened(f"status {stopped.returncode}, one line; the earlier set")
    assert stopped.returncode == 130 and _is_one_line(stopped.stderr, "interrupted.")
    assert forks.state(tmp_path / "set") == "set 0" and os.listdir(tmp_path) == ["set"]
