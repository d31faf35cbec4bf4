"""Reads the windows of a plan: their blocks from the shards, and of these what is visited."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from pipelines.loading.order import BLOCK_RECORDS, Blocks, Window
from pipelines.tfrecords.example import FEATURES


def read_windows(
    windows: tf.data.Dataset, blocks: Blocks, paths: Sequence[str], readers: int
) -> tf.data.Dataset:
    """The visited examples of each window, in the order of their positions.

    Args:
        windows: Of `Window`; one without visits is not read.
        blocks: What the windows' block numbers stand for.
        paths: The shards'.
        readers: Blocks that are read at the same time.

    Returns:
        A data set with, for each window, a dictionary of tensors of shape (v,): 'image' (string,
        as it is stored), and 'label', 'record', 'position' and 'epoch' (int64). Reading it fails
        with `tf.errors.InvalidArgumentError` or `DataLossError` where a shard is damaged.
    """
    read = block_reader(blocks, paths, readers)
    return windows.filter(lambda window: tf.size(window.positions) > 0).map(
        lambda window: parse_visited(read(window), window)
    )


def block_reader(
    blocks: Blocks, paths: Sequence[str], readers: int
) -> Callable[[Window], tf.Tensor]:
    """A function from a window to all records of its blocks: string (n,), in order."""
    names = tf.constant(list(paths))

    def read_block(block: tf.Tensor) -> tf.data.Dataset:
        # Python's TFRecordDataset begins at the start of a file; the op beneath it need not. Its
        # buffer is the block: nothing behind it is read.
        variant = tf.raw_ops.TFRecordDatasetV2(
            filenames=tf.gather(names, tf.gather(blocks.shard, block))[tf.newaxis],
            compression_type="",
            buffer_size=tf.gather(blocks.num_bytes, block),
            byte_offsets=tf.gather(blocks.offset, block)[tf.newaxis],
        )
        records = tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string))
        return records.take(tf.gather(blocks.num_records, block))

    def read(window: Window) -> tf.Tensor:
        expected = tf.reduce_sum(tf.gather(blocks.num_records, window.blocks))
        records = tf.data.Dataset.from_tensor_slices(window.blocks).interleave(
            read_block,
            cycle_length=readers,
            # One more than a block has: each is read to its end in its turn, so that the records
            # come in the order of the blocks.
            block_length=BLOCK_RECORDS + 1,
            num_parallel_calls=readers,
            deterministic=True,
        )
        serialized = records.batch(expected).get_single_element()
        # A shard that is cut between two records gives no error by itself, only fewer of them.
        tf.debugging.assert_equal(
            tf.size(serialized, tf.int64), expected, "a shard ends before its last record"
        )
        return serialized

    return read


def parse_visited(serialized: tf.Tensor, window: Window) -> dict[str, tf.Tensor]:
    """What of a window's records is visited, as `read_windows` gives it.

    Args:
        serialized: string (n,), the records of the window's blocks.
        window: Which of them are visited.
    """
    # All at once: a call for each would take a tenth of the time of decoding.
    features = tf.io.parse_example(tf.gather(serialized, window.visits), FEATURES)
    return {
        "image": features["image"],
        "label": features["label"],
        "record": window.records,
        "position": window.positions,
        "epoch": window.epochs,
    }
