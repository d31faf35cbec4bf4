"""The contracts of the input pipeline: pixels, batches, evaluation, decoding."""

import collections
import dataclasses
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines.augmentation.config import Augmentation
from pipelines.loading.dataset import eval_batches, train_batches
from pipelines.loading.decode import decode, decode_and_resize, decode_batch
from pipelines.loading.options import InputOptions
from pipelines.loading.plan import steps_per_epoch
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import ShardedDataset, load_manifest
from pipelines.tfrecords.record import parse_example

STILL = InputOptions(image_size=16, batch_size=4, augmentation=None, threads=2)
MOVING = dataclasses.replace(STILL, augmentation=Augmentation())


@pytest.fixture
def manifest(data_dir):
    return load_manifest(data_dir)


def stored_images(data_dir, manifest, split, image_size=16):
    """Every example of the split as the pipeline should show it, read by other means."""
    images, labels = [], []
    for shard in manifest.splits[split].shards:
        for record in tf.data.TFRecordDataset(str(data_dir / shard.name)):
            example = parse_example(record)
            images.append(decode_and_resize(example["image"], image_size).numpy() / np.float32(255))
            labels.append(int(example["label"]))
    return np.stack(images), np.array(labels)


def collect(dataset):
    batches = [tuple(part.numpy() for part in batch) for batch in dataset]
    return [np.concatenate(column) for column in zip(*batches, strict=True)]


def keys(images):
    return [image.tobytes() for image in images]


def test_decode_agrees_with_pillow(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    decoded = decode_and_resize(tf.constant((tmp_path / "noise.png").read_bytes()), 40)
    # Enlarging with Pillow's triangle filter is bilinear interpolation, too.
    expected = np.asarray(Image.fromarray(pixels).resize((40, 40), Image.Resampling.BILINEAR))
    assert decoded.dtype == tf.uint8
    assert decoded.shape == (40, 40, 3)
    np.testing.assert_allclose(decoded.numpy().astype(int), expected.astype(int), atol=1)


def test_batches_have_the_documented_form(data_dir, manifest):
    images, labels = next(
        iter(train_batches(ShardedDataset(data_dir, manifest), MOVING, epochs=1, seed=0))
    )
    assert images.shape == (4, 16, 16, 3) and images.dtype == tf.float32
    assert labels.shape == (4,) and labels.dtype == tf.int64
    assert 0 <= images.numpy().min() and 0.5 < images.numpy().max() <= 1
    first = dataclasses.replace(MOVING, channels_first=True)
    turned, _ = next(
        iter(train_batches(ShardedDataset(data_dir, manifest), first, epochs=1, seed=0))
    )
    np.testing.assert_array_equal(turned, np.transpose(images, [0, 3, 1, 2]))


@pytest.mark.parametrize("cache", ["memory", "none"])
def test_an_epoch_visits_every_example_once(data_dir, manifest, cache):
    count = manifest.splits["train"].num_examples
    options = dataclasses.replace(STILL, batch_size=1, cache=cache)
    images, labels = collect(
        train_batches(ShardedDataset(data_dir, manifest), options, epochs=2, seed=0)
    )
    stored, stored_labels = stored_images(data_dir, manifest, "train")
    label_of = dict(zip(keys(stored), stored_labels, strict=True))
    for epoch in (slice(0, count), slice(count, None)):
        assert collections.Counter(keys(images[epoch])) == collections.Counter(keys(stored))
    assert [label_of[key] for key in keys(images)] == list(labels)


def test_augmented_images_are_the_warp_of_the_stored_ones(data_dir, manifest):
    """Each augmented image is one of the stored ones under parameters within the ranges."""
    options = dataclasses.replace(MOVING, augmentation=Augmentation(0, 0, 0, 0, 0))
    images, _ = collect(
        train_batches(ShardedDataset(data_dir, manifest), options, epochs=4, seed=0)
    )
    stored, _ = stored_images(data_dir, manifest, "train")
    plain = distances(images, stored)
    mirrored = distances(images, stored[:, :, ::-1])
    assert np.minimum(plain, mirrored).max() < 1e-5
    assert 0 < (mirrored < 1e-5).mean() < 1


def distances(images, stored):
    return np.array([np.abs(stored - image).max(axis=(1, 2, 3)).min() for image in images])


def test_every_position_has_draws_of_its_own(data_dir, manifest):
    images, _ = collect(train_batches(ShardedDataset(data_dir, manifest), MOVING, epochs=3, seed=0))
    assert len(set(keys(images))) == len(images)


@pytest.mark.parametrize("batch_size", [1, 3, 4, 1000])
def test_evaluation_counts_every_example_once(data_dir, manifest, batch_size):
    options = dataclasses.replace(STILL, batch_size=batch_size)
    images, labels, weights = collect(
        eval_batches(ShardedDataset(data_dir, manifest), "test", options)
    )
    stored, stored_labels = stored_images(data_dir, manifest, "test")
    assert len(images) % batch_size == 0
    real = weights == 1
    assert np.all(weights[~real] == 0)
    assert collections.Counter(keys(images[real])) == collections.Counter(keys(stored))
    label_of = dict(zip(keys(stored), stored_labels, strict=True))
    assert [label_of[key] for key in keys(images[real])] == list(labels[real])


def test_a_batch_larger_than_the_split_is_refused(data_dir, manifest):
    options = dataclasses.replace(STILL, batch_size=1000)
    with pytest.raises(InputError, match="received a batch size of 1000, expected at most"):
        train_batches(ShardedDataset(data_dir, manifest), options, epochs=1, seed=0)


def test_the_last_epochs_are_only_mirrored(data_dir, manifest):
    count = steps_per_epoch(manifest, MOVING) * MOVING.batch_size
    options = dataclasses.replace(MOVING, unwarped_epochs=1)
    images, _ = collect(
        train_batches(ShardedDataset(data_dir, manifest), options, epochs=3, seed=0)
    )
    warped, _ = collect(train_batches(ShardedDataset(data_dir, manifest), MOVING, epochs=3, seed=0))
    stored, _ = stored_images(data_dir, manifest, "train")
    np.testing.assert_array_equal(images[: 2 * count], warped[: 2 * count])
    plain = distances(images[2 * count :], stored)
    mirrored = distances(images[2 * count :], stored[:, :, ::-1])
    assert np.minimum(plain, mirrored).max() < 1e-5
    assert 0 < (mirrored < 1e-5).mean() < 1


def photograph(width, height, kind="JPEG"):
    """A smooth picture, of which a smaller scale loses little."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    channels = [np.sin(5 * x + 2 * y), np.cos(4 * y), np.sin(3 * x * y + 1)]
    pixels = np.clip(np.stack(channels, axis=-1) * 100 + 128, 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, quality=95)
    return tf.constant(stream.getvalue())


@pytest.mark.parametrize(
    ("width", "height", "ratio", "scale"),
    [
        (800, 600, 1, 1),
        (800, 600, 2, 2),
        (800, 600, 8, 4),  # at an eighth it would be smaller than the result
        (2000, 1700, 8, 8),
        (800, 150, 8, 1),
        (191, 191, 2, 2),  # libjpeg rounds up: 96
        (190, 190, 2, 1),
    ],
)
def test_large_jpegs_are_decoded_at_a_reduced_scale(width, height, ratio, scale):
    decoded = decode(photograph(width, height), 96, ratio)
    assert decoded.shape == (-(-height // scale), -(-width // scale), 3)
    stretched = decode_batch(photograph(width, height)[None], 96, ratio)[0]
    whole = decode_and_resize(photograph(width, height), 96)
    np.testing.assert_allclose(stretched.numpy().astype(int), whole.numpy().astype(int), atol=8)


def test_a_png_is_decoded_whole_at_any_ratio():
    image = photograph(800, 600, "PNG")
    assert decode(image, 96, 8).shape == (600, 800, 3)


def test_batches_are_decoded_as_single_images():
    images = [photograph(40, 30), photograph(120, 50, "PNG"), photograph(30, 200)]
    together = decode_batch(tf.stack(images), 24)
    for image, decoded in zip(images, together, strict=True):
        np.testing.assert_array_equal(decode_and_resize(image, 24), decoded)
