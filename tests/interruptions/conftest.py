"""Conversions to interrupt: forks, which take a tenth of a second, and the command itself."""

import functools
import itertools
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.interruptions.fork_server import ROOT, ForkServer, Outcome, environment, job

COMMAND = [sys.executable, "-m", "pipelines.make_tfrecords"]
DISK_BYTES = 4_000_000
IMAGES_PER_CLASS = 4
AT_A_TIME = 4  # conversions side by side, for speed
SECONDS_AT_MOST = 300  # so that nothing hangs for ever


class Forks(ForkServer):
    """Conversions of one tiny source.

    Attributes:
        source: That source, a folder.
    """

    def __init__(self, base: Path):
        self._base, self.source = base, _write_images(base / "pets")
        super().__init__("tests.interruptions.conversions", base / "disk", DISK_BYTES)

    @functools.cached_property
    def sets(self) -> dict[int, dict[str, bytes]]:
        """--seed -> the files of the set that is made with it, by name."""
        directories = {seed: self._base / f"{seed}" / "set" for seed in range(3)}
        for seed, directory in directories.items():
            assert self.run(directory, f"--seed={seed}").status == 0
        return {seed: _read(directory) for seed, directory in directories.items()}

    def put(self, seed: int, directory: Path) -> None:
        """Has the set made with `seed` stand in `directory`."""
        directory.mkdir(parents=True)
        for name, data in self.sets[seed].items():
            (directory / name).write_bytes(data)

    def state(self, directory: Path) -> str:
        """'absent', 'set SEED' for a whole set, or what is there instead."""
        if not directory.exists():
            return "absent"
        files = _read(directory)
        for seed, whole in self.sets.items():
            if files == whole:
                return f"set {seed}"
        return f"neither absent nor whole: {sorted(files)}"

    def job(self, output_dir: Path, *flags: str, **how: Any) -> dict[str, Any]:
        """A conversion to be carried out; see `fork_server.job`."""
        return job(output_dir, f"--source={self.source}", "--shards=2", *flags, **how)

    def run(self, output_dir: Path, *flags: str, **how: Any) -> Outcome:
        (outcome,) = self.run_together(self.job(output_dir, *flags, **how))
        return outcome

    def interrupt_at_every_step(
        self,
        base: Path,
        *flags: str,
        by: signal.Signals,
        before: Callable[[Path], None] = lambda output_dir: None,
    ) -> Iterator[tuple[Path, Outcome]]:
        """Conversions that are sent a signal at step 1, 2 and so on, to the last.

        Args:
            base: Gets a folder for each of them.
            flags: Others than --source and --output_dir.
            by: The signal.
            before: Puts what is there before into the output directory, or beside it.

        Yields:
            The output directory, and how the conversion ended.
        """
        for first in itertools.count(1, AT_A_TIME):
            steps = range(first, first + AT_A_TIME)
            output_dirs = [base / f"{step}" / "set" for step in steps]
            for output_dir in output_dirs:
                before(output_dir)
            jobs = [
                self.job(output_dir, *flags, signal=by, nth=step)
                for output_dir, step in zip(output_dirs, steps, strict=True)
            ]
            outcomes = self.run_together(*jobs)
            for step, output_dir, outcome in zip(steps, output_dirs, outcomes, strict=True):
                if len(outcome.steps) < step:
                    assert (outcome.status, outcome.errors) == (0, "")
                    return
                yield output_dir, outcome


# Also for a test that has no use for it: meanwhile it imports TensorFlow.
@pytest.fixture(scope="package", autouse=True)
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    forks = Forks(tmp_path_factory.mktemp("forks"))
    yield forks
    forks.close()


@pytest.fixture
def run_command(
    forks: Forks, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Converts the same source with the command, as a user does, in a process of its own.

    `run_command(output_dir, *flags, name=code)` has Python import that code as module `name`. It
    imports `sitecustomize` before all else: see `signal_at`.
    """

    def run(output_dir: Path, *flags: str, **modules: str) -> subprocess.CompletedProcess[str]:
        folder = tmp_path_factory.mktemp("modules")
        for name, code in modules.items():
            (folder / f"{name}.py").write_text(code)
        job = forks.job(output_dir, *flags)
        return subprocess.run(
            [*COMMAND, f"--output_dir={output_dir}", *job["flags"]],
            cwd=ROOT,
            env=environment() | {"PYTHONPATH": str(folder)},
            text=True,
            capture_output=True,
            check=False,
            preexec_fn=prepare,
        )

    def prepare() -> None:
        # A test run in the background of a shell ignores SIGINT, and hands that on.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.alarm(SECONDS_AT_MOST)

    return run


@pytest.fixture
def signal_at() -> Callable[[signal.Signals, str], str]:
    """Code with which a process sends itself a signal at the first audit event that matches."""
    code = """
import os, re, sys

def watch(event, arguments):
    if event in ("open", "os.rename") and re.match({pattern!r}, f"{{event}} {{arguments}}"):
        os.kill(os.getpid(), {by:d})

sys.addaudithook(watch)
"""
    return lambda by, pattern: code.format(by=by, pattern=pattern)


@pytest.fixture
def tell() -> Callable[[Counter[str]], str]:
    """For the table of the faults: how often which state was found."""
    names = {"set 0": "the earlier set", "set 1": "the new set"}
    return lambda states: ", ".join(
        f"{states[state]} x {names.get(state, state)}" for state in sorted(states)
    )


def _write_images(folder: Path) -> Path:
    for label, class_name in enumerate(["cats", "dogs"]):
        (folder / class_name).mkdir(parents=True)
        for number in range(IMAGES_PER_CLASS):
            pixels = np.random.default_rng([label, number]).integers(0, 256, (12, 12, 3))
            picture = Image.fromarray(pixels.astype(np.uint8))
            picture.save(folder / class_name / f"{number}.png")
    return folder


def _read(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}
