"""The steps of a command, at which it can be killed, stopped, or copied as it stands."""

import itertools
import os
import sys
from collections.abc import Callable
from typing import Any

from tests.interruptions.snapshots import Snapshots

EVENTS = {"fcntl.flock", "open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "shutil.rmtree"}
# What their first argument says is a number, or a name alone, in a folder that is removed.
WITHOUT_A_PATH = {"fcntl.flock", "os.remove", "os.rmdir"}


class Steps:
    """Watches this process from now on; made once, since a hook cannot be taken off."""

    def __init__(self) -> None:
        self._note: Callable[[str], None] | None = None
        self._folder = ""
        self._step_after("mkdir", 0)
        self._step_after("rename", 1)
        sys.addaudithook(self._before)

    def begin(self, job: dict[str, Any], descriptor: int) -> None:
        """Notes the steps of a job from now on, and sends signals and takes copies as it says.

        Args:
            job: See `fork_server.job`.
            descriptor: Of the file that gets a line for each step.
        """
        self._folder = os.path.dirname(job["output_dir"])
        # The second signal, if there is one, comes after the first. Counts are made in one piece,
        # since threads take steps, too.
        snapshots = Snapshots(**job["snapshots"]) if "snapshots" in job else None
        moments = [(job, itertools.count(1))] if "signal" in job else []
        moments += [(job["then"], itertools.count(1))] if "then" in job else []

        def note(text: str) -> None:
            os.write(descriptor, f"{text}\n".encode())
            if snapshots:
                snapshots.take(text)
            if moments and moments[0][0]["at"] in text:
                moment, numbers = moments[0]
                if next(numbers) == moment["nth"]:
                    del moments[0]
                    os.kill(os.getpid(), moment["signal"])

        self._note = note

    def end(self) -> None:
        """Notes nothing more."""
        self._note = None

    def step(self, what: str, path: object = "") -> None:
        """Notes a step."""
        if self._note is not None:
            inside = str(path)
            if inside.startswith("/"):
                inside = os.path.relpath(inside, self._folder)
            self._note(f"{what} {inside}")

    def _before(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._note is None or event not in EVENTS:
            return
        path = str(arguments[0])
        reads = event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR)
        is_ours = path.startswith(self._folder) or (
            event in WITHOUT_A_PATH and not path.startswith("/")
        )
        if is_ours and not reads:
            self.step(event, path)

    def _step_after(self, name: str, place: int) -> None:
        function = getattr(os, name)

        def wrapped(*arguments: Any, **options: Any) -> None:
            function(*arguments, **options)
            self.step(f"after os.{name}", arguments[place])

        setattr(os, name, wrapped)
