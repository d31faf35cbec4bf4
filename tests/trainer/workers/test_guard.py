"""A process whose interpreter is locked can be ended, and ends by itself."""

import subprocess
import sys

import pytest

HEAD = """
import ctypes, signal
from trainer.workers.guard import guarded
handler = lambda number, frame: print("handled")
signal.signal(signal.SIGTERM, handler)
"""
# As TensorFlow's: the call keeps Python's lock.
LOCKED = "    print('locked', flush=True); ctypes.PyDLL(None).sleep(60)"


@pytest.fixture
def start(tmp_path):
    processes = []

    def start(block):
        command = [sys.executable, "-c", HEAD + block]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        processes.append(subprocess.Popen(command, text=True, **pipes))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_it_ends_with_the_line(start, note_fault):
    happened = note_fault("several workers", "TensorFlow waits for ever for another worker")
    process = start(f"with guarded(0.2, 'received nothing; wait'):\n{LOCKED}")
    printed = process.communicate(timeout=50)
    happened(printed[1])
    assert (process.returncode, *printed) == (1, "locked\n", "received nothing; wait\n")


def test_a_signal_ends_it(start):
    process = start(f"with guarded(60, 'received nothing; wait'):\n{LOCKED}")
    assert process.stdout.readline() == "locked\n"
    process.terminate()
    assert process.communicate(timeout=50) == ("", "")
    assert process.returncode == -15


def test_afterwards_all_is_as_before(start):
    process = start(
        "with guarded(0.2, 'received nothing; wait'): pass\n"
        "import time; time.sleep(0.5); print(signal.getsignal(signal.SIGTERM) is handler)"
    )
    assert process.communicate(timeout=50) == ("True\n", "")
    assert process.returncode == 0
