"""Has batches made by data services, puts them together in order, and says what goes wrong.

With n services, service i makes the batches of the steps for which step % n is i. Each makes a
stream of its own, in its order, and they are taken in turn; so the whole is what one process makes.

tf.data's service delivers in order, but it says nothing when a batch is lost with a connection that
breaks, and a service that is started anew can mistake one run for another. So each batch carries a
mark, the stream's and its number in it, and one that is not the next ends the run.

tf.data waits for a service that is gone for ever, and inside TensorFlow, where not even Ctrl-C
reaches it. So the batches are taken in a thread that can be left alone.
"""

import queue
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn

import tensorflow as tf

from pipelines.loading.service_check import check_services, why_unreachable
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import StrPath
from pipelines.tfrecords.verification import damage_named

OUT_OF_TURN = "a data service sent something else than the next batch"

_PREFETCHED_STEPS = 2

# From (i, n) to the batches of every n-th step, `options.replicas` for each.
Stream = Callable[[tuple[int, int]], tf.data.Dataset]
# A signal that reaches one of TensorFlow's threads does not end a wait of Python's: so short ones.
_SECONDS_OF_A_WAIT = 1
_WAITS_OF_A_CHECK = 10  # without a batch, before the services are asked whether they are there
_FAILED_CHECKS = 3  # in succession, before they are given up
_SECONDS_TO_END = 5  # for the thread, if it is not waiting for what never comes
_END = object()
# A service that was started anew took another run for this one; the second are tf.data's words.
_SIGNS_OF_LOSS = (OUT_OF_TURN, "was expected to contain")


def batches_from(
    services: Sequence[str], stream: Stream, steps: range, replicas: int
) -> tf.data.Dataset:
    """The batches of all streams in the order of the steps.

    A service that does not answer is an `InputError`. Reading the batches fails with
    `tf.errors.InvalidArgumentError` when one is received that is not the next one, and ends early
    where a stream does.

    Args:
        services: Their addresses, as 'grpc://HOST:PORT'.
        stream: Makes the chain that is sent to one of them; it may use no resource of this process.
        replicas: Batches for each step.
    """
    check_services(services)
    count = len(services)
    streams = [
        _sent_to(service, stream((number, count)), replicas)
        for number, service in enumerate(services)
    ]
    turns = tf.data.Dataset.range(steps.start * replicas, steps.stop * replicas).map(
        lambda number: number // replicas % count
    )
    return tf.data.Dataset.choose_from_datasets(streams, turns)


@tf.autograph.experimental.do_not_convert
def _sent_to(service: str, batches: tf.data.Dataset, replicas: int) -> tf.data.Dataset:
    """The same batches, made by `service`, with their order checked."""
    mark = secrets.randbits(63)

    def checked(number: tf.Tensor, received: tuple[tf.Tensor, Any]) -> Any:
        received_mark, batch = received
        tf.debugging.assert_equal(received_mark, [mark, number], OUT_OF_TURN)
        return batch

    return (
        batches.enumerate()
        .map(lambda number, batch: (tf.stack([mark, number]), batch))
        .apply(
            tf.data.experimental.service.distribute(
                # The one worker makes all of it. Without a job's name no other trainer shares it.
                tf.data.experimental.service.ShardingPolicy.OFF,
                service,
                max_outstanding_requests=_PREFETCHED_STEPS * replicas,
                compression=None,
            )
        )
        .enumerate()
        .map(checked)
    )


def watched(
    batches: tf.data.Dataset, services: Sequence[str], data_dir: StrPath
) -> Iterable[tuple[tf.Tensor, ...]]:
    """The same batches, to be gone through once; an `InputError` comes where a service fails.

    Without services, `batches` is returned as it is.
    """
    return _watched(batches, services, data_dir) if services else batches


def _watched(
    batches: tf.data.Dataset, services: Sequence[str], data_dir: StrPath
) -> Iterator[tuple[tf.Tensor, ...]]:
    asked: queue.SimpleQueue[bool] = queue.SimpleQueue()
    answers: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()
    taker = threading.Thread(target=_take, args=(batches, asked, answers), daemon=True)
    taker.start()
    asked.put(True)
    waits = failed_checks = 0  # for the next batch
    try:
        while True:
            try:
                batch, error = answers.get(timeout=_SECONDS_OF_A_WAIT)
            except queue.Empty:
                waits += 1
                # The services may be slow, or making their first batches.
                if waits % _WAITS_OF_A_CHECK == 0:
                    failed_checks = _checked(services, failed_checks)
                continue
            if error is not None:
                _raise(error, services, data_dir)
            if batch is _END:
                return
            asked.put(True)  # the one after it, while the caller is busy with this one
            yield batch
            waits = failed_checks = 0
    finally:
        asked.put(False)
        # A thread that came back from TensorFlow while Python shuts down would abort it.
        taker.join(_SECONDS_TO_END)


def _checked(services: Sequence[str], failed_checks: int) -> int:
    for service in services:
        reason = why_unreachable(service)
        if not reason:
            continue
        if failed_checks + 1 == _FAILED_CHECKS:
            raise InputError(
                f"received no batch from --data_service={service}, where {reason}, expected "
                "it to run until training ends; see to it and start the training again."
            )
        return failed_checks + 1
    return 0


def _raise(error: Exception, services: Sequence[str], data_dir: StrPath) -> NoReturn:
    text = str(error)
    # Or it knows nothing of this run.
    forgotten = isinstance(error, tf.errors.NotFoundError) and "from worker" not in text
    if forgotten or any(sign in text for sign in _SIGNS_OF_LOSS):
        raise InputError(
            f"received other batches than this run's next ones from --data_service="
            f"{','.join(services)}, expected each once and in order: a service was "
            "started anew, or a connection broke; start the training again."
        ) from error
    try:
        with damage_named(data_dir):
            raise error
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError):
        where = re.search(r"from worker (\S+): .*Iterator::\S+: (.*)", text)
        if not where:
            raise
        worker, reason = where.groups()
        raise InputError(
            f"received {reason!r} from the data service at {worker}, expected it to read the "
            f"same files as this machine, under the same path; copy or mount {data_dir} "
            "there, and start the training again."
        ) from error


def _take(batches: tf.data.Dataset, asked: queue.SimpleQueue, answers: queue.SimpleQueue) -> None:
    try:
        source = iter(batches)
        while asked.get():
            answers.put((next(source, _END), None))
    except Exception as error:  # whatever it is, it is raised where the batches are taken
        answers.put((None, error))
