"""A command in a process of its own: its output, its time and its memory."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Measured(NamedTuple):
    """A process that has ended well.

    Attributes:
        output: What it printed.
        seconds: From its start, imports included, to its end.
        peak_mb: The most memory in megabytes (10^6 bytes) that was resident at a time, in the
            process or in the largest of its own children.
        line_seconds: From its start to each line of `output`.
    """

    output: str
    seconds: float
    peak_mb: float
    line_seconds: tuple[float, ...]


def run_measured(*arguments: object, python: str = sys.executable) -> Measured:
    """Runs Python with `arguments` in the project's directory; ends the program if that fails."""
    with tempfile.TemporaryFile("w+") as errors:
        begun = time.perf_counter()
        process = subprocess.Popen(
            [python, *map(str, arguments)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            with process.stdout as output:
                lines = [(line, time.perf_counter() - begun) for line in output]
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # Ctrl-C, too: nothing goes on behind the user's back
            process.kill()
            raise
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            last = errors.read().strip().splitlines()[-1:]
            sys.exit(" ".join([*map(str, arguments), "failed:", *last]))
    return Measured(
        "".join(line for line, _ in lines),
        seconds,
        usage.ru_maxrss * _MAXRSS_UNIT / 1e6,
        tuple(at for _, at in lines),
    )


# In kilobytes on Linux, in bytes on macOS: getrusage(2).
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
