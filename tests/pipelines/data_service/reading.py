"""Reads batches for the tests of data services, without ever waiting for good."""

import queue
import threading

import numpy as np

from pipelines.loading.dataset import train_batches
from pipelines.loading.options import InputOptions
from pipelines.tfrecords.manifest import ShardedDataset

SECONDS_AT_MOST = 300  # so that nothing hangs for ever
EPOCHS, SEED = 3, 5
# Three steps an epoch, so that two services take turns otherwise in each.
OPTIONS = InputOptions(image_size=16, batch_size=6, cache="none", threads=2, shuffle_buffer=16)


def within_time(function):
    """What `function` returns or raises; a wait inside TensorFlow cannot be interrupted."""
    outcomes = queue.SimpleQueue()

    def call():
        try:
            outcomes.put((function(), None))
        except Exception as error:
            outcomes.put((None, error))

    threading.Thread(target=call, daemon=True).start()
    result, error = outcomes.get(timeout=SECONDS_AT_MOST)
    if error:
        raise error
    return result


def arrays(batches):
    return [tuple(tensor.numpy() for tensor in batch) for batch in batches]


def read(data_dir, manifest, options=OPTIONS, seed=SEED, **arguments):
    """All batches that `train_batches` gives, as tuples of arrays."""
    arguments = {"epochs": EPOCHS, "seed": seed, **arguments}
    return within_time(
        lambda: arrays(train_batches(ShardedDataset(data_dir, manifest), options, **arguments))
    )


def assert_equal(batches, expected):
    assert len(batches) == len(expected)
    for batch, expected_batch in zip(batches, expected, strict=True):
        for array, expected_array in zip(batch, expected_batch, strict=True):
            assert array.dtype == expected_array.dtype
            np.testing.assert_array_equal(array, expected_array)
