"""Takes batches that data services make, and says in one line what goes wrong with the services.

tf.data waits for a service that is gone for ever, and inside TensorFlow, where not even Ctrl-C
reaches it. So the batches are taken in a thread that can be left alone.
"""

import itertools
import queue
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

import tensorflow as tf

from pipelines.loading.service import OUT_OF_TURN
from pipelines.loading.service_check import why_unreachable
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.damage import damage_named

# A signal that reaches one of TensorFlow's threads does not end a wait of Python's: so short ones.
_SECONDS_OF_A_WAIT = 1
_WAITS_OF_A_CHECK = 10  # without a batch, before the services are asked whether they are there
_FAILED_CHECKS = 3  # in succession, before they are given up
_SECONDS_TO_END = 5  # for the thread, if it is not waiting for what never comes

_END = object()
# A service that was started anew took another run for this one; the second are tf.data's words.
_SIGNS_OF_LOSS = (OUT_OF_TURN, "was expected to contain")


def watched(
    batches: tf.data.Dataset, services: Sequence[str], data_dir: str
) -> Iterable[tuple[tf.Tensor, ...]]:
    """The same batches; going through them raises an `InputError` where a service fails.

    Args:
        batches: From `pipelines.loading.dataset.train_batches`.
        services: Those that make them; if none, `batches` is returned as it is.
        data_dir: Of the set that they are made of.
    """
    return _Watched(batches, services, data_dir) if services else batches


class _Watched:
    def __init__(self, batches: tf.data.Dataset, services: Sequence[str], data_dir: str) -> None:
        self._batches, self._services, self._data_dir = batches, services, data_dir

    def __iter__(self) -> Iterator[tuple[tf.Tensor, ...]]:
        asked: queue.SimpleQueue[bool] = queue.SimpleQueue()
        answers: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()
        taker = threading.Thread(target=_take, args=(self._batches, asked, answers), daemon=True)
        taker.start()
        asked.put(True)
        try:
            while (batch := self._next(answers)) is not _END:
                asked.put(True)  # the one after it, while the caller is busy with this one
                yield batch
        finally:
            asked.put(False)
            # A thread that came back from TensorFlow while Python shuts down would abort it.
            taker.join(_SECONDS_TO_END)

    def _next(self, answers: queue.SimpleQueue) -> Any:
        failed_checks = 0
        for waits in itertools.count(1):
            try:
                batch, error = answers.get(timeout=_SECONDS_OF_A_WAIT)
            except queue.Empty:
                # The services may be slow, or making their first batches.
                if waits % _WAITS_OF_A_CHECK == 0:
                    failed_checks = self._checked(failed_checks)
                continue
            if error is not None:
                self._raise(error)
            return batch

    def _checked(self, failed_checks: int) -> int:
        for service in self._services:
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

    def _raise(self, error: Exception) -> NoReturn:
        text = str(error)
        # Or it knows nothing of this run.
        forgotten = isinstance(error, tf.errors.NotFoundError) and "from worker" not in text
        if forgotten or any(sign in text for sign in _SIGNS_OF_LOSS):
            raise InputError(
                f"received other batches than this run's next ones from --data_service="
                f"{','.join(self._services)}, expected each once and in order: a service was "
                "started anew, or a connection broke; start the training again."
            ) from error
        try:
            with damage_named(self._data_dir):
                raise error
        except (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError):
            where = re.search(r"from worker (\S+): .*Iterator::\S+: (.*)", text)
            if not where:
                raise
            worker, reason = where.groups()
            raise InputError(
                f"received {reason!r} from the data service at {worker}, expected it to read the "
                f"same files as this machine, under the same path; copy or mount {self._data_dir} "
                "there, and start the training again."
            ) from error


def _take(
    batches: tf.data.Dataset,
    asked: "queue.SimpleQueue[bool]",
    answers: "queue.SimpleQueue[tuple[Any, Exception | None]]",
) -> None:
    try:
        source = iter(batches)
        while asked.get():
            answers.put((next(source, _END), None))
    except Exception as error:  # whatever it is, it is raised where the batches are taken
        answers.put((None, error))
