"""Measurements that stay when a long benchmark is stopped, and are found when it goes on."""

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measured_process import Measured, run_measured
from benchmarks.result_table import package_versions

Measurement = dict[str, Any]  # what a finished process came to, in types that JSON has


class KeptMeasurements:
    """Runs commands of Python, one at a time, and keeps what each came to in a file.

    Args:
        directory: Of the files, and of what the processes write.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def place(self, name: str) -> Path:
        """Where the process of that name writes, if it is a directory."""
        return self._directory / name

    def measure(
        self,
        name: str,
        command: list[str],
        read: Callable[[Measured, float], Measurement],
        based_on: str = "",
    ) -> Measurement:
        """Runs the command, unless that has been done; ends the program if it fails.

        Args:
            name: Of the measurement.
            command: What Python is given. What an unfinished one left in `place(name)` goes.
            read: What to keep beside seconds and peak memory, given the process and the Unix time
                at which it was started.
            based_on: What else makes a measurement another one.
        """
        file = self._directory / f"{name}.json"
        made_by = {"command": command, "based_on": based_on, "versions": package_versions()}
        if file.exists():
            found = json.loads(file.read_text(encoding="utf-8"))
            if not made_by.items() <= found.items():
                sys.exit(
                    f"received --work_dir={self._directory}, where {file.name} is of another "
                    "command, recipe or version of a package, expected measurements of this one; "
                    "choose another."
                )
            _say(name, found, ", found")
            return found
        shutil.rmtree(self.place(name), ignore_errors=True)
        self._directory.mkdir(parents=True, exist_ok=True)
        started = time.time()
        measured = run_measured(*command)
        result = {"seconds": measured.seconds, "peak_mb": measured.peak_mb}
        result |= read(measured, started) | made_by
        unfinished = file.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        unfinished.replace(file)
        _say(name, result)
        return result


def _say(name: str, measurement: Measurement, note: str = "") -> None:
    line = f"{name}: {measurement['seconds']:.1f} s{note}"
    print(line, file=sys.stderr, flush=True)
