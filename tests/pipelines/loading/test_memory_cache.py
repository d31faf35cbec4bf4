"""Decoded images in memory: put in once, had in any order."""

import numpy as np
import tensorflow as tf

from pipelines.loading.cache import MemoryCache


def test_images_come_back_by_their_records():
    images = np.random.default_rng(0).integers(0, 256, (10, 4, 4, 3), dtype=np.uint8)
    memory = MemoryCache(10, 4)
    for records in ([3, 1, 4], [0, 2, 9, 8], [5, 6, 7]):
        put = memory.put(tf.constant(records, tf.int64), tf.constant(images[records]))
        np.testing.assert_array_equal(put, records)
    wanted = [9, 0, 0, 5]
    np.testing.assert_array_equal(memory.get(tf.constant(wanted, tf.int64)), images[wanted])


def test_parallel_calls_of_a_data_set_fill_it():
    images = np.random.default_rng(1).integers(0, 256, (64, 4, 4, 3), dtype=np.uint8)
    memory = MemoryCache(64, 4)
    records = np.random.default_rng(2).permutation(64).astype(np.int64)
    batches = tf.data.Dataset.from_tensor_slices((records, images[records])).batch(4)
    for _ in batches.map(memory.put, num_parallel_calls=4):
        pass
    np.testing.assert_array_equal(memory.get(tf.range(64, dtype=tf.int64)), images)
