"""The end of a process without teardown, as a process of its own shows it."""

import subprocess
import sys

SCRIPT = """
import atexit, sys
from pipelines.runtime.tensorflow_runtime import skip_teardown

class Destroyed:
    def __del__(self):
        print("destroyed")

kept = Destroyed()
atexit.register(print, "registered")
if sys.argv[1] == "left out":
    skip_teardown()
print("done")
"""


def ending(how):
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True
    ).stdout.split()


def test_exit_handlers_run_and_output_arrives_and_nothing_is_destroyed():
    assert ending("left out") == ["done", "registered"]


def test_without_being_asked_a_process_ends_as_always():
    assert ending("as always") == ["done", "registered", "destroyed"]
