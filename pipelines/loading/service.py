"""Has batches made by data services, and puts them together in order.

With n services, service i makes the batches of the steps for which step % n is i. Each makes a
stream of its own, in its order, and they are taken in turn; so the whole is what one process makes.

tf.data's service delivers in order, but it says nothing when a batch is lost with a connection that
breaks, and a service that is started anew can mistake one run for another. So each batch carries a
mark, the stream's and its number in it, and one that is not the next ends the run.
"""

import secrets
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from pipelines.loading.service_check import check_services

OUT_OF_TURN = "a data service sent something else than the next batch"

_PREFETCHED_STEPS = 2

# From (i, n) to the batches of every n-th step, `options.parts` for each.
Stream = Callable[[tuple[int, int]], tf.data.Dataset]


def batches_from(
    services: Sequence[str], stream: Stream, steps: range, parts: int
) -> tf.data.Dataset:
    """The batches of all streams in the order of the steps.

    Args:
        services: Their addresses, as 'grpc://HOST:PORT'.
        stream: Makes the chain that is sent to one of them; it may use no resource of this process.
        steps: Those that are wanted.
        parts: Batches for each step.

    Returns:
        A data set of the same elements as the streams'. Reading it fails with
        `tf.errors.InvalidArgumentError` when it receives a batch that is not the next one, and
        ends early where a stream does.

    Raises:
        InputError: for a service that does not answer.
    """
    check_services(services)
    count = len(services)
    streams = [
        _sent_to(service, stream((number, count)), parts) for number, service in enumerate(services)
    ]
    turns = tf.data.Dataset.range(steps.start * parts, steps.stop * parts).map(
        lambda number: number // parts % count
    )
    return tf.data.Dataset.choose_from_datasets(streams, turns)


@tf.autograph.experimental.do_not_convert
def _sent_to(service: str, batches: tf.data.Dataset, parts: int) -> tf.data.Dataset:
    """The same batches, made by `service`, with their order checked."""
    mark = secrets.randbits(63)

    def checked(number: tf.Tensor, received: tuple[tf.Tensor, Any]) -> Any:
        received_mark, batch = received
        is_next = tf.debugging.assert_equal(received_mark, [mark, number], OUT_OF_TURN)
        with tf.control_dependencies([is_next]):
            return tf.nest.map_structure(tf.identity, batch)

    return (
        batches.enumerate()
        .map(lambda number, batch: (tf.stack([mark, number]), batch))
        .apply(
            tf.data.experimental.service.distribute(
                # The one worker makes all of it. Without a job's name nobody else takes from it.
                tf.data.experimental.service.ShardingPolicy.OFF,
                service,
                max_outstanding_requests=_PREFETCHED_STEPS * parts,
                compression=None,
            )
        )
        .enumerate()
        .map(checked)
    )
