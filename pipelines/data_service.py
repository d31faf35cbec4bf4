"""Starts data services, which decode and augment for trainers on other machines.

    python -m pipelines.data_service --workers=2
    python -m trainer.main --data_service=grpc://HOST:5050,grpc://HOST:5051

It prints the flag with which trainers use them, and runs until Ctrl-C. Services listen on all
interfaces without authentication, and run what they are sent: start them only in a network that
you trust. They read the shards themselves, under the path that the trainer is given.
"""

import contextlib
import dataclasses
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing.connection import wait
from typing import IO, Any, cast

from pipelines.loading.service_check import why_unreachable
from pipelines.runtime.command import EXIT_DONE, EXIT_FAILED, option, run
from pipelines.runtime.errors import InputError
from pipelines.runtime.machine import check_ports
from pipelines.runtime.tensorflow_runtime import import_tensorflow

_LAST_PORT = 65535
_SERVE = "import sys; from pipelines.data_service import serve; serve(*sys.argv[1:])"
# A service keeps the buffers of a trainer that is gone until it misses it, which takes tf.data five
# minutes, and this long after. The latter alone is five minutes by default, looked at every ten.
_KEEP_JOBS_MS = 30_000
_LOOK_EVERY_MS = 10_000


@dataclasses.dataclass(frozen=True)
class ServiceConfig:
    """The command's flags, checked."""

    port: int = option(
        5050,
        "Port of the first service. The ports of the others follow, and then as many for the "
        "batches. 0 for free ones.",
        group="Service",
    )
    workers: int = option(
        1,
        "Services on this machine, each a process of its own, which keeps as many cores busy as "
        "the trainer's --input_threads says.",
        group="Service",
    )
    host: str | None = option(
        None,
        "Name or IPv4 address by which trainers reach this machine; its host name unless given.",
        group="Service",
    )

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise InputError(f"received --workers={self.workers}, expected at least 1.")
        highest = _LAST_PORT + 1 - 2 * self.workers
        if not 0 <= self.port <= highest:
            raise InputError(
                f"received --port={self.port} for {2 * self.workers} ports, expected 0 to "
                f"{highest}."
            )
        if self.host is not None and not re.fullmatch(r"[^/:\s]+", self.host):
            raise InputError(
                f"received --host={self.host}, expected a name or an IPv4 address, without a port."
            )

    @property
    def ports(self) -> list[tuple[int, int]]:
        """For each service the port at which trainers find it, and that of the batches."""
        if not self.port:
            return [(0, 0)] * self.workers
        first = range(self.port, self.port + self.workers)
        return [(port, port + self.workers) for port in first]


def main(config: ServiceConfig) -> None:
    """Starts the services, prints where they are, and watches over them."""
    # gRPC shares a port with whatever else of the same user listens there with it: two services
    # would each get some of a trainer's calls.
    check_ports([port for pair in config.ports for port in pair if port])
    host = config.host or socket.gethostname()
    with contextlib.ExitStack() as stack:
        # All at once: each takes seconds to import TensorFlow.
        outputs = [stack.enter_context(_service(host, *ports)) for ports in config.ports]
        addresses = [f"grpc://{host}:{_port_from(output)}" for output in outputs]
        for address in addresses:
            if reason := why_unreachable(address):
                raise InputError(
                    f"received --host={host}, but at {address} {reason}, expected a name or an "
                    "IPv4 address of this machine; choose another --host."
                )
        print(f"--data_service={','.join(addresses)}", flush=True)
        # They print nothing more, so that only the end of one can be read. In short waits, since a
        # signal that reaches one of gRPC's threads does not end a wait of Python's.
        while not wait([output.fileno() for output in outputs], timeout=1):
            pass
    raise InputError("received the end of a service, expected it to run; start the command again.")


@contextlib.contextmanager
def _service(host: str, port: int, data_port: int) -> Iterator[IO[bytes]]:
    """What a service prints, which is stopped in the end, whatever it is doing."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, host, str(port), str(data_port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Ctrl-C on the terminal is for this process alone.
        start_new_session=True,
    )
    try:
        yield cast(IO[bytes], process.stdout)
    finally:
        process.kill()
        process.communicate()


def _port_from(output: IO[bytes]) -> int:
    answer = output.readline().decode().strip()
    if not answer.isdigit():
        raise InputError(
            f"received {answer or 'nothing'!r} from a service, expected it to start; choose "
            "another --port."
        )
    return int(answer)


def serve(host: str, port: str, data_port: str) -> None:
    """Runs one service in this process, which `main` has started for it.

    Prints the port, or why the service could not be started, and ends when the standard input does,
    which is at the latest when the process that started it ends.
    """
    # A GPU of this machine is there for a trainer.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    import_tensorflow()
    import tensorflow as tf

    try:
        servers = start_servers(host, int(port), int(data_port))
    except tf.errors.OpError as error:
        print(" ".join(error.message.split()))
        sys.exit(EXIT_FAILED)
    print(port_of(servers), flush=True)
    sys.stdin.read()
    # An orderly end would wait for the trainers.
    os._exit(EXIT_DONE)


def start_servers(host: str, port: int = 0, data_port: int = 0) -> tuple[Any, Any]:
    """Starts tf.data's dispatcher and its only worker; they stop when nothing refers to them.

    Args:
        host: By which name trainers, and the dispatcher, reach this machine.
        port: Where trainers find the service; 0 for a free one.
        data_port: Where they fetch batches; 0 for a free one.

    Raises:
        tf.errors.OpError: if one of them cannot be started. Not for a port at which another service
            of the same user listens, which then gets a part of the connections.
    """
    import tensorflow as tf

    service = tf.data.experimental.service
    dispatcher = service.DispatchServer(
        service.DispatcherConfig(
            port=port,
            protocol="grpc",
            job_gc_check_interval_ms=_LOOK_EVERY_MS,
            job_gc_timeout_ms=_KEEP_JOBS_MS,
        )
    )
    worker = service.WorkerServer(
        service.WorkerConfig(
            dispatcher_address=dispatcher.target.partition("://")[2],
            worker_address=f"{host}:%port%",
            port=data_port,
            protocol="grpc",
        )
    )
    return dispatcher, worker


def port_of(servers: tuple[Any, Any]) -> int:
    """The port at which trainers find a service."""
    dispatcher, _ = servers
    return int(dispatcher.target.rpartition(":")[2])


if __name__ == "__main__":
    run(main, ServiceConfig)
