"""Carries out conversions in forks of one process, and has each killed or stopped at a chosen step.

TensorFlow takes seconds to import: it is imported once, and no op is run before the fork. A step is
an event of the file system (Python's audit events) below one directory, a record written, or the
moment after a directory was made or renamed. Requests and replies are lines of JSON:

    {"base": DIRECTORY, "jobs": [{"flags": [...], "at": 7, "signal": 9}], "together": false}
    [{"status": -9, "output": "", "errors": "", "steps": ["os.mkdir .set.tmp", ...]}]

Jobs run at the same time if `together`; else one after the other, where one that has been stopped
(SIGSTOP) goes on when the others are done, or wait for what it holds.
"""

import contextlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
from typing import IO, Any

from pipelines.command_line import run
from pipelines.convert_config import ConvertConfig
from pipelines.make_tfrecords import main
from pipelines.quiet_tensorflow import import_tensorflow

SECONDS_FOR_THE_OTHERS = 1.0
EVENTS = {
    "fcntl.flock", "open", "os.listdir", "os.mkdir", "os.remove", "os.rename", "os.rmdir",
    "os.scandir", "os.truncate", "shutil.rmtree",
}  # fmt: skip


class Fork:
    """One conversion, in a process of its own."""

    def __init__(self, base: str, job: dict[str, Any]):
        self._files = [tempfile.TemporaryFile() for _ in range(3)]
        self._status: int | None = None
        self._pid = os.fork()
        if not self._pid:
            _convert(base, job, *self._files)

    def wait(self, seconds: float = float("inf")) -> None:
        """Waits until it has ended or been stopped, or for so many seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self._pid, os.WUNTRACED | os.WNOHANG)
            if pid:
                self._status = status
                return
            time.sleep(0.002)

    def outcome(self) -> dict[str, Any]:
        """Lets it go on if it was stopped, and tells how it ended."""
        if self._status is not None and os.WIFSTOPPED(self._status):
            os.kill(self._pid, signal.SIGCONT)
            self._status = None
        if self._status is None:
            self.wait()
        for stream in self._files:
            stream.seek(0)
        output, errors, steps = (stream.read().decode() for stream in self._files)
        status = os.waitstatus_to_exitcode(self._status)
        return {"status": status, "output": output, "errors": errors, "steps": steps.splitlines()}


def _convert(base: str, job: dict[str, Any], output: IO, errors: IO, steps: IO) -> None:
    os.dup2(output.fileno(), 1)
    os.dup2(errors.fileno(), 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if job.get("max_file_bytes"):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["max_file_bytes"],) * 2)
    sys.argv = ["make_tfrecords", *job["flags"]]
    _count_steps(base, job.get("at"), job.get("signal", signal.SIGKILL), steps.fileno())
    run(main, ConvertConfig)
    sys.exit()


def _count_steps(base: str, at: int | None, signal_number: int, steps: int) -> None:
    from pipelines import local_engine

    count = 0

    def step(what: str, path: object = "") -> None:
        nonlocal count
        count += 1
        name = os.path.relpath(os.fsdecode(path), base) if os.path.isabs(str(path)) else path
        os.write(steps, f"{what} {name}\n".encode())
        if count == at:
            os.kill(os.getpid(), signal_number)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in EVENTS:
            path = arguments[0]
            # By number: what is locked; by name alone: what lies in a folder that is removed.
            here = event in ("fcntl.flock", "os.remove", "os.rmdir") and not os.path.isabs(
                str(path)
            )
            if here or isinstance(path, str | os.PathLike) and str(path).startswith(base):
                step(event, path)

    def then_a_step(name: str, place: int) -> None:
        function = getattr(os, name)

        def wrapped(*arguments: Any, **options: Any) -> None:
            function(*arguments, **options)
            step(f"after os.{name}", arguments[place])

        setattr(os, name, wrapped)

    write_shard = local_engine.write_shard
    local_engine.write_shard = lambda path, records: write_shard(
        path, (step("record", path) or record for record in records)
    )
    then_a_step("mkdir", 0)
    then_a_step("rename", 1)
    sys.addaudithook(watch)


def _serve() -> None:
    import_tensorflow()
    # What a conversion imports.
    from pipelines import convert, duplicates, local_engine, prepare, shards  # noqa: F401

    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        forks = []
        for job in request["jobs"]:
            forks.append(Fork(request["base"], job))
            if not request.get("together"):
                forks[-1].wait(SECONDS_FOR_THE_OTHERS if len(forks) > 1 else float("inf"))
        print(json.dumps([fork.outcome() for fork in forks]), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        _serve()
