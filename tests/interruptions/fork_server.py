"""A process that has imported TensorFlow, and whose forks carry out commands."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]


class Outcome(NamedTuple):
    """How a command ended, what it printed, and its steps up to there."""

    status: int
    output: str
    errors: str
    steps: list[str]


class ForkServer:
    """Starts `forks_of_one_process.py`, and hands it jobs.

    Args:
        kind: The module that says what its jobs are.
        disk: A folder to be made, where the jobs see a small disk.
        disk_bytes: Its size.

    Attributes:
        disk: That folder.
        why_no_disk: The reason why none can be mounted there, or ''.
    """

    def __init__(self, kind: str, disk: Path, disk_bytes: int):
        self.disk = disk
        self.disk.mkdir()
        command = [sys.executable, "-m", "tests.interruptions.forks_of_one_process", kind]
        # A disk that only this command and its forks see, which takes no rights.
        mount = f'mount -t tmpfs -o size={disk_bytes} none "$0" && exec "$@"'
        with_disk = ["unshare", "-rm", "sh", "-c", mount, str(self.disk)]
        self.why_no_disk = _why_not([*with_disk, sys.executable, "-c", ""])
        self._process = subprocess.Popen(
            command if self.why_no_disk else [*with_disk, *command],
            cwd=ROOT,
            env=environment(),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=60)

    @functools.cached_property
    def disk_from_here(self) -> Path:
        """Where this process sees what the forks see as `disk`."""
        self.run_together()  # when it answers, the disk is mounted
        return Path(f"/proc/{self._process.pid}/root{self.disk}")

    def run_together(self, *jobs: dict[str, Any]) -> list[Outcome]:
        """Carries out jobs at the same time."""
        return [outcome for (outcome,) in self.run_rows(*([job] for job in jobs))]

    def run_rows(self, *rows: list[dict[str, Any]]) -> list[list[Outcome]]:
        """Carries out rows of jobs at the same time, and those of a row in one process."""
        self._process.stdin.write(json.dumps(rows) + "\n")
        self._process.stdin.flush()
        replies = json.loads(self._process.stdout.readline())
        return [[Outcome(**reply) for reply in row] for row in replies]


def job(output_dir: Path, *flags: str, **how: Any) -> dict[str, Any]:
    """A command to be carried out.

    Args:
        output_dir: Its folder need not exist.
        flags: Others than that for the output directory.
        how: `signal` to be interrupted, `at` a step in whose text this is, at the `nth` (the first,
            unless given) of such, and `then` the same once more; `until`, if that stops it, for a
            step of the others; `max_file_bytes` for a limit on the size of files; `environment`;
            `snapshots`, the arguments of `Snapshots`; and what its kind of jobs adds.
    """
    defaults = {"at": "", "nth": 1, "until": ""}
    return {"output_dir": str(output_dir), "flags": flags, **defaults, **how}


def environment() -> dict[str, str]:
    """Without the log level that this process has set by its own import of TensorFlow."""
    return {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}


def leave_free(disk: Path, num_blocks: int) -> None:
    """Fills a disk so that it has room for so many blocks more."""
    (disk / "ballast").write_bytes(b"")
    room = os.statvfs(disk)
    (disk / "ballast").write_bytes(bytes((room.f_bavail - num_blocks) * room.f_bsize))


def _why_not(command: list[str]) -> str:
    """What a command says when it fails; '' when it does not."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return (done.stderr.strip() or f"status {done.returncode}") if done.returncode else ""
