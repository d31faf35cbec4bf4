"""Carries out commands in forks of one process, and has each killed or stopped at a chosen step.

TensorFlow takes seconds to import: it is imported once, and no op is run before the fork. Requests
and replies are lines of JSON: rows of jobs, each row for a fork of its own, and likewise what
became of them:

    [[{"output_dir": "/tmp/1/set", "flags": ["--shards=2"], "at": "os.mkdir", "signal": 9}]]
    [[{"status": -9, "output": "", "errors": "", "steps": ["fcntl.flock 6", "os.mkdir .set"]}]]

The command sends itself the signal at the nth step whose text contains `at`. The steps are what
Python's audit events tell of the folder that holds the output, before it is done (what only reads
is left out), the moment after a directory was made or renamed, and what a module of the argument's
name adds. That module has what a job needs:

    COMMAND     its `main` and its config
    OUTPUT      the flag that names the output directory
    IMPORTED    modules that are imported before the first fork
    prepare     is called in the fork with the job and with `step`, which notes a step

The rows of a request run at the same time. One that is stopped (SIGSTOP) is so before the next
begins. It goes on when the others have ended or have come to a step whose text contains `until`.
"""

import importlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import IO, Any

from pipelines.runtime.command import run
from pipelines.runtime.tensorflow_runtime import import_tensorflow
from tests.interruptions.steps import Steps

SECONDS_AT_MOST = 300  # so that nothing hangs for ever


class Fork:
    """A process of its own for one job, or for several in a row, until one is killed."""

    def __init__(self, kind: ModuleType, jobs: list[dict[str, Any]]):
        self._files = [[tempfile.TemporaryFile() for _ in range(4)] for _ in jobs]
        self._status: int | None = None
        self._pid = os.fork()
        if not self._pid:
            _carry_out_in_a_row(kind, jobs, self._files)

    def wait(self, until: str = "") -> None:
        """Waits until it has ended, been stopped, or come to a step with this text."""
        while self._status is None and not (until and until in _text(self._files[-1][2])):
            pid, status = os.waitpid(self._pid, os.WUNTRACED | os.WNOHANG)
            if pid:
                self._status = status
            else:
                time.sleep(0.002)

    def outcomes(self) -> list[dict[str, Any]]:
        """Lets it go on if it was stopped, and tells how each of its jobs ended."""
        if self._status is not None and os.WIFSTOPPED(self._status):
            self._status = None
            os.kill(self._pid, signal.SIGCONT)
        self.wait()
        return [self._outcome(files) for files in self._files]

    def _outcome(self, files: list[IO]) -> dict[str, Any]:
        output, errors, steps, status = map(_text, files)
        # Without one it was killed, or never began.
        number = int(status) if status else os.waitstatus_to_exitcode(self._status)
        return {"status": number, "output": output, "errors": errors, "steps": steps.splitlines()}


def _text(file: IO) -> str:
    # Without a move in the file, where both processes are at the same place.
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode()


def _carry_out_in_a_row(
    kind: ModuleType, jobs: list[dict[str, Any]], files: list[list[IO]]
) -> None:
    signal.alarm(SECONDS_AT_MOST)
    steps = Steps()
    for job, (output, errors, noted, status) in zip(jobs, files, strict=True):
        os.dup2(output.fileno(), 1)
        os.dup2(errors.fileno(), 2)
        if "max_file_bytes" not in job:  # which the file of the steps would pass, too
            steps.begin(job, noted.fileno())
        number = _carry_out_one(kind, job, steps.step)
        steps.end()
        os.write(status.fileno(), str(number).encode())
    os._exit(0)  # At once, since TensorFlow's end takes a second.


def _carry_out_one(kind: ModuleType, job: dict[str, Any], step: Callable[..., None]) -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    os.environ.update(job.get("environment", {}))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    sys.argv = ["", f"--{kind.OUTPUT}={job['output_dir']}", *job["flags"]]
    status: Any = 0
    try:
        kind.prepare(job, step)
        limit = job.get("max_file_bytes", limits[0])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
        run(*kind.COMMAND)
    except SystemExit as error:
        status = error.code
    except BaseException:
        traceback.print_exc()
        status = 1
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    sys.stdout.flush()
    sys.stderr.flush()
    return status or 0


def _carry_out(kind: ModuleType, rows: list[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    forks = []
    until = ""
    for jobs in rows:
        forks.append(Fork(kind, jobs))
        if jobs[0].get("signal") == signal.SIGSTOP:
            forks[-1].wait()
            until = jobs[0]["until"]
    for fork in forks:
        fork.wait(until)
    return [fork.outcomes() for fork in forks]


def _serve(kind: ModuleType) -> None:
    import_tensorflow()
    for name in kind.IMPORTED:
        importlib.import_module(name)
    for line in sys.stdin:
        print(json.dumps(_carry_out(kind, json.loads(line))), flush=True)


if __name__ == "__main__":
    _serve(importlib.import_module(sys.argv[1]))
