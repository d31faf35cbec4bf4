"""Whether data services answer, asked in seconds; tf.data itself goes on trying for an hour.

Nothing here imports TensorFlow.
"""

from collections.abc import Sequence

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.unknown_fields import UnknownFieldSet

from pipelines.runtime.errors import InputError

_TIMEOUT_SECONDS = 10


def check_services(services: Sequence[str]) -> None:
    """Checks that each service answers, and is reached for its batches, too.

    Services are addresses, as 'grpc://HOST:PORT'; the first that does not is an `InputError`.
    """
    for service in services:
        reason = why_unreachable(service)
        if reason:
            port = service.rpartition(":")[2]
            raise InputError(
                f"received --data_service={service}, where {reason}, expected a running service; "
                f"start it on that host with `python -m pipelines.data_service --port={port}`, "
                "with --host=NAME for the name by which this machine reaches it."
            )


def why_unreachable(service: str) -> str:
    """Why nothing can be had now from a data service ('grpc://HOST:PORT'); '' if it answers.

    It is asked as tf.data does, which a connection alone would not show: whatever listens at that
    port could accept one. The batches come from another address, which the service tells.
    """
    address = service.partition("://")[2]
    try:
        answer = _call(address, "DispatcherService/GetWorkers")
    except grpc.RpcError as error:
        return f"no data service answers ({_reason(error)})"
    workers = [address.decode() for worker in _fields(answer, 1) for address in _fields(worker, 1)]
    if not workers:
        return "the data service has no worker"
    for worker in workers:
        try:
            _call(worker, "WorkerService/GetWorkerTasks")
        except grpc.RpcError as error:
            return f"the service answers, but not its worker at {worker} ({_reason(error)})"
    return ""


def _call(address: str, method: str) -> bytes:
    # Without the messages' classes, which TensorFlow does not install for Python: both requests
    # are empty.
    with grpc.insecure_channel(address) as channel:
        return channel.unary_unary(f"/tensorflow.data.{method}")(b"", timeout=_TIMEOUT_SECONDS)


def _fields(message: bytes, number: int) -> list[bytes]:
    """The values of one field of an encoded message."""
    fields = UnknownFieldSet(Empty.FromString(message))
    return [field.data for field in fields if field.field_number == number]


def _reason(error: grpc.RpcError) -> str:
    # The last part of what gRPC says is the cause: "... 127.0.0.1:5050: Connection refused".
    return (error.details() or "").rpartition(": ")[2].strip("]") or error.code().name
