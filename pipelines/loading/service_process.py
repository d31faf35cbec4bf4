"""One data service: tf.data's dispatcher, and the only worker that it has, in one process.

Run as `python -m pipelines.loading.service_process HOST PORT DATA_PORT` by
`pipelines.data_service`. It prints the port, or why it could not be started, and ends when its
standard input does, which is at the latest when the process that started it ends.
"""

import os
import sys
from typing import Any

from pipelines.runtime.tensorflow_runtime import import_tensorflow

# A service keeps the buffers of a trainer that is gone until it misses it, which takes tf.data five
# minutes, and this long after. The latter alone is five minutes by default, looked at every ten.
_KEEP_JOBS_MS = 30_000
_LOOK_EVERY_MS = 10_000


def start_servers(host: str, port: int = 0, data_port: int = 0) -> tuple[Any, Any]:
    """Starts a dispatcher and its worker; they stop when nothing refers to them any more.

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


def main() -> None:
    """Runs one service."""
    host, port, data_port = sys.argv[1:]
    # A GPU of this machine is there for a trainer.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    import_tensorflow()
    import tensorflow as tf

    try:
        servers = start_servers(host, int(port), int(data_port))
    except tf.errors.OpError as error:
        print(" ".join(error.message.split()))
        sys.exit(1)
    print(port_of(servers), flush=True)
    sys.stdin.read()
    # An orderly end would wait for the trainers.
    os._exit(0)


if __name__ == "__main__":
    main()
