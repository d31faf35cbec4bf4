"""Trains in several worker processes on this machine, which share each batch.

    python -m trainer.launch --workers=2 -- --epochs=20 --run_dir=runs/two_workers

Each worker is `python -m trainer.main --strategy=multi_worker` with the flags that stand after --,
and TF_CONFIG in its environment, which says where the workers are and which of them it is. Their
lines are printed with `[worker 0] ` and so on before them. When one worker fails, the others are
stopped, and the exit status is 1. Ctrl-C and SIGTERM are passed on to all workers, a second Ctrl-C
kills them.

Workers would all take all GPUs: name some in CUDA_VISIBLE_DEVICES, and they are divided evenly.
TensorFlow's workers listen on all interfaces and ask nobody who they are: start them only in a
network that you trust.
"""

import dataclasses
import os
import re
import sys
from collections.abc import Sequence

from absl import flags

from pipelines.runtime import console
from pipelines.runtime.command import (
    arguments,
    define_flags,
    option,
    parse_config,
    parse_flags,
    run,
)
from pipelines.runtime.errors import InputError
from pipelines.runtime.machine import check_ports, free_ports
from trainer.input_config import check_at_least
from trainer.main import MainConfig
from trainer.worker_environment import worker_environments
from trainer.worker_group import run_workers

WORKERS = "Workers"
MULTI_WORKER = "multi_worker"
_LAST_PORT = 65535


@dataclasses.dataclass(frozen=True)
class LaunchConfig:
    """How many workers there are, where, and what they do; the trainer's flags are checked, too."""

    workers: int = option(2, "Processes that train together.", group=WORKERS)
    host: str = option(
        "127.0.0.1", "Name or IPv4 address by which the workers reach each other.", group=WORKERS
    )
    port: int = option(
        0, "Port of the first worker, which the others' follow; 0 for free ones.", group=WORKERS
    )
    grace_seconds: float = option(
        30.0,
        "How long workers have to end, and to save what they have to, after a signal was sent to "
        "them; then they are killed.",
        group=WORKERS,
    )
    trainer_flags: tuple[str, ...] = arguments(
        "FLAGS OF trainer.main",
        "Every worker gets them, as they are; `python -m trainer.main --help` lists them. "
        "--strategy=multi_worker is added unless they name a strategy.",
        after_dashes=True,
    )

    def __post_init__(self) -> None:
        check_at_least("workers", self.workers, 1)
        highest = _LAST_PORT + 1 - self.workers
        if not 0 <= self.port <= highest:
            raise InputError(
                f"received --port={self.port} for {self.workers} ports, expected 0 to {highest}."
            )
        if not re.fullmatch(r"[^/:\s]+", self.host):
            raise InputError(
                f"received --host={self.host}, expected a name or an IPv4 address, without a port."
            )
        if not 0 <= self.grace_seconds < float("inf"):
            raise InputError(
                f"received --grace_seconds={self.grace_seconds}, expected a number of at least 0."
            )
        self._check_trainer_flags()

    def _check_trainer_flags(self) -> None:
        try:
            arguments = ["trainer.main", *self.worker_flags]
            config = parse_config(MainConfig, define_flags(MainConfig), arguments)
        except (flags.Error, InputError) as error:
            raise InputError(f"after --: {error}") from error
        if self.workers > 1 and config.strategy != MULTI_WORKER:
            raise InputError(
                f"received --strategy={config.strategy} for {self.workers} workers, of which each "
                f"would train alone, expected --strategy={MULTI_WORKER}; drop it, or use "
                "--workers=1."
            )

    @property
    def worker_flags(self) -> tuple[str, ...]:
        """The flags of each worker.

        Raises:
            flags.Error: for an unknown flag of the trainer.
            InputError: for a value of the wrong type.
        """
        given = define_flags(MainConfig)
        parse_flags(given, ["trainer.main", *self.trainer_flags])
        added = () if given["strategy"].present else (f"--strategy={MULTI_WORKER}",)
        return (*added, *self.trainer_flags)


def main(config: LaunchConfig) -> None:
    """Trains in the workers that `config` asks for."""
    verbosity = f"--verbosity={console.verbosity}"  # a worker's own comes later, and counts
    launch(config, [sys.executable, "-m", "trainer.main", verbosity, *config.worker_flags])


def launch(config: LaunchConfig, command: Sequence[str]) -> None:
    """Runs a command in all workers at once, each with its own TF_CONFIG.

    Args:
        config: All that it says but the trainer's flags.
        command: A program and its arguments.

    Raises:
        InputError: for a port in use or GPUs that cannot be divided, before any start; or when a
            worker fails.
    """
    addresses = [f"{config.host}:{port}" for port in _ports(config)]
    run_workers(command, worker_environments(addresses, os.environ), config.grace_seconds)


def _ports(config: LaunchConfig) -> list[int]:
    if not config.port:
        return free_ports(config.workers)
    ports = range(config.port, config.port + config.workers)
    check_ports(ports)
    return list(ports)


if __name__ == "__main__":
    run(main, LaunchConfig)
