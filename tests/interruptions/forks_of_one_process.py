"""Carries out conversions in forks of one process, and has each killed or stopped at a chosen step.

TensorFlow takes seconds to import: it is imported once, and no op is run before the fork. Requests
and replies are lines of JSON, a list of jobs and a list of what became of them:

    [{"output_dir": "/tmp/1/set", "flags": ["--shards=2"], "at": "os.mkdir", "nth": 1, "signal": 9}]
    [{"status": -9, "output": "", "errors": "", "steps": ["fcntl.flock 6", "os.mkdir .set.tmp-0"]}]

The conversion sends itself the signal at the nth step whose text contains `at`. The steps are what
Python's audit events tell of the folder in which the set is made, before it is done (what only
reads is left out), and the moment after a directory was made or renamed.

The jobs of a request run at the same time. One that is stopped (SIGSTOP) is so before the next
begins. It goes on when the others have ended or have come to a step whose text contains `until`.
"""

import itertools
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from typing import IO, Any

from pipelines.command_line import run
from pipelines.convert_config import ConvertConfig
from pipelines.make_tfrecords import main
from pipelines.quiet_tensorflow import import_tensorflow

SECONDS_AT_MOST = 300  # so that nothing hangs for ever
EVENTS = {"fcntl.flock", "open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "shutil.rmtree"}
# What their first argument says is a number, or a name alone, in a folder that is removed.
WITHOUT_A_PATH = {"fcntl.flock", "os.remove", "os.rmdir"}


class Fork:
    """One conversion, in a process of its own."""

    def __init__(self, job: dict[str, Any]):
        self._files = [tempfile.TemporaryFile() for _ in range(3)]
        self._status: int | None = None
        self._pid = os.fork()
        if not self._pid:
            _convert(job, *self._files)

    def wait(self, until: str = "") -> None:
        """Waits until it has ended, been stopped, or come to a step with this text."""
        while self._status is None and not (until and until in self._read(2)):
            pid, status = os.waitpid(self._pid, os.WUNTRACED | os.WNOHANG)
            if pid:
                self._status = status
            else:
                time.sleep(0.002)

    def outcome(self) -> dict[str, Any]:
        """Lets it go on if it was stopped, and tells how it ended."""
        if self._status is not None and os.WIFSTOPPED(self._status):
            self._status = None
            os.kill(self._pid, signal.SIGCONT)
        self.wait()
        status = os.waitstatus_to_exitcode(self._status)
        output, errors, steps = map(self._read, range(3))
        return {"status": status, "output": output, "errors": errors, "steps": steps.splitlines()}

    def _read(self, number: int) -> str:
        # Without a move in the file, where both processes are at the same place.
        descriptor = self._files[number].fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode()


def _convert(job: dict[str, Any], output: IO, errors: IO, steps: IO) -> None:
    os.dup2(output.fileno(), 1)
    os.dup2(errors.fileno(), 2)
    signal.alarm(SECONDS_AT_MOST)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["make_tfrecords", f"--output_dir={job['output_dir']}", *job["flags"]]
    if "max_file_bytes" in job:  # which the file of the steps would pass, too
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["max_file_bytes"],) * 2)
    else:
        _watch_steps(job, steps.fileno())
    status = 0
    try:
        run(main, ConvertConfig)
    except SystemExit as error:
        status = error.code
    except BaseException:
        traceback.print_exc()
        status = 1
    # At once, since TensorFlow's end takes a second.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _watch_steps(job: dict[str, Any], steps: int) -> None:
    folder = os.path.dirname(job["output_dir"])
    numbers = itertools.count(1)  # in one piece, since threads take steps, too
    nth = job["nth"] if "signal" in job else 0

    def step(what: str, path: object) -> None:
        inside = os.path.relpath(os.fspath(path), folder) if str(path).startswith("/") else path
        text = f"{what} {inside}"
        os.write(steps, f"{text}\n".encode())
        if job["at"] in text and next(numbers) == nth:
            os.kill(os.getpid(), job["signal"])

    def before(event: str, arguments: tuple[Any, ...]) -> None:
        reads = event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if event in EVENTS and not reads:
            path = str(arguments[0])
            if path.startswith(folder) or (event in WITHOUT_A_PATH and not path.startswith("/")):
                step(event, arguments[0])

    def with_a_step_after(name: str, place: int) -> None:
        function = getattr(os, name)

        def wrapped(*arguments: Any, **options: Any) -> None:
            function(*arguments, **options)
            step(f"after os.{name}", arguments[place])

        setattr(os, name, wrapped)

    with_a_step_after("mkdir", 0)
    with_a_step_after("rename", 1)
    sys.addaudithook(before)


def _carry_out(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    forks = []
    until = ""
    for job in jobs:
        forks.append(Fork(job))
        if job.get("signal") == signal.SIGSTOP:
            forks[-1].wait()
            until = job["until"]
    for fork in forks:
        fork.wait(until)
    return [fork.outcome() for fork in forks]


def _serve() -> None:
    import_tensorflow()
    # What a conversion imports.
    from pipelines import convert, duplicates, local_engine, prepare, shards  # noqa: F401

    for line in sys.stdin:
        print(json.dumps(_carry_out(json.loads(line))), flush=True)


if __name__ == "__main__":
    _serve()
