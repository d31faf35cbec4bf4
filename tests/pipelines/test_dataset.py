"""The contracts of the input pipeline: order, augmentation, pixels, batches."""

import collections
import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines.augment import DRAWS_PER_EXAMPLE, WarpRanges, warp, warp_parameters
from pipelines.dataset import InputOptions, eval_batches, steps_per_epoch, train_batches
from pipelines.decode import decode_and_resize
from pipelines.errors import InputError
from pipelines.example import parse_example
from pipelines.manifest import load_manifest

STILL = InputOptions(image_size=16, batch_size=4, augmentation=None, threads=2)
MOVING = dataclasses.replace(STILL, augmentation=WarpRanges())


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
    images, labels = next(iter(train_batches(data_dir, manifest, MOVING, epochs=1, seed=0)))
    assert images.shape == (4, 16, 16, 3) and images.dtype == tf.float32
    assert labels.shape == (4,) and labels.dtype == tf.int64
    assert 0 <= images.numpy().min() and 0.5 < images.numpy().max() <= 1
    first = dataclasses.replace(MOVING, channels_first=True)
    turned, _ = next(iter(train_batches(data_dir, manifest, first, epochs=1, seed=0)))
    np.testing.assert_array_equal(turned, np.transpose(images, [0, 3, 1, 2]))


@pytest.mark.parametrize("cache", [True, False])
def test_an_epoch_visits_every_example_once(data_dir, manifest, cache):
    count = manifest.splits["train"].num_examples
    options = dataclasses.replace(STILL, batch_size=1, cache=cache)
    images, labels = collect(train_batches(data_dir, manifest, options, epochs=2, seed=0))
    stored, stored_labels = stored_images(data_dir, manifest, "train")
    label_of = dict(zip(keys(stored), stored_labels, strict=True))
    for epoch in (slice(0, count), slice(count, None)):
        assert collections.Counter(keys(images[epoch])) == collections.Counter(keys(stored))
    assert [label_of[key] for key in keys(images)] == list(labels)


def test_epochs_and_seeds_have_orders_of_their_own(data_dir, manifest):
    count = manifest.splits["train"].num_examples
    options = dataclasses.replace(STILL, batch_size=1)
    orders = []
    for seed in (0, 1):
        images, _ = collect(train_batches(data_dir, manifest, options, epochs=2, seed=seed))
        orders += [tuple(keys(images[:count])), tuple(keys(images[count:]))]
    assert len(set(orders)) == 4


def test_batches_do_not_depend_on_how_they_are_made(data_dir, manifest):
    def batches(**changes):
        options = dataclasses.replace(MOVING, **changes)
        return collect(train_batches(data_dir, manifest, options, epochs=2, seed=7))

    tf.random.set_seed(1)
    reference = batches()
    tf.random.set_seed(2)
    for changes in ({}, {"threads": 1}, {"threads": 5}, {"cache": False}):
        for got, expected in zip(batches(**changes), reference, strict=True):
            np.testing.assert_array_equal(got, expected, err_msg=str(changes))


def test_augmentation_does_not_depend_on_the_batch_size(data_dir, manifest):
    def images(batch_size):
        options = dataclasses.replace(MOVING, batch_size=batch_size)
        return collect(train_batches(data_dir, manifest, options, epochs=1, seed=7))[0]

    np.testing.assert_array_equal(images(2)[:4], images(4)[:4])


def test_resuming_at_any_step_continues_the_sequence(data_dir, manifest):
    total = 2 * steps_per_epoch(manifest, MOVING)
    whole = list(train_batches(data_dir, manifest, MOVING, epochs=2, seed=3))
    assert len(whole) == total
    for start in range(total):
        rest = list(train_batches(data_dir, manifest, MOVING, epochs=2, seed=3, start_step=start))
        assert len(rest) == total - start
        for got, expected in zip(rest, whole[start:], strict=True):
            np.testing.assert_array_equal(got[0], expected[0])
            np.testing.assert_array_equal(got[1], expected[1])


def test_augmented_images_are_the_warp_of_the_stored_ones(data_dir, manifest):
    """Each augmented image is one of the stored ones under parameters within the ranges."""
    options = dataclasses.replace(MOVING, augmentation=WarpRanges(0, 0, 0, 0, 0))
    images, _ = collect(train_batches(data_dir, manifest, options, epochs=4, seed=0))
    stored, _ = stored_images(data_dir, manifest, "train")
    plain = distances(images, stored)
    mirrored = distances(images, stored[:, :, ::-1])
    assert np.minimum(plain, mirrored).max() < 1e-5
    assert 0 < (mirrored < 1e-5).mean() < 1


def distances(images, stored):
    return np.array([np.abs(stored - image).max(axis=(1, 2, 3)).min() for image in images])


def test_every_position_has_draws_of_its_own(data_dir, manifest):
    images, _ = collect(train_batches(data_dir, manifest, MOVING, epochs=3, seed=0))
    assert len(set(keys(images))) == len(images)


def test_warp_runs_on_uint8_and_is_scaled_last():
    pixels = tf.fill([1, 16, 16, 3], tf.constant(200, tf.uint8))
    parameters = warp_parameters(tf.fill([1, DRAWS_PER_EXAMPLE], 0.3), WarpRanges(), 16)
    np.testing.assert_allclose(warp(pixels, parameters), np.full((1, 16, 16, 3), 200), atol=1e-3)


@pytest.mark.parametrize("batch_size", [1, 3, 4, 1000])
def test_evaluation_counts_every_example_once(data_dir, manifest, batch_size):
    options = dataclasses.replace(STILL, batch_size=batch_size)
    images, labels, weights = collect(eval_batches(data_dir, manifest, "test", options))
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
        train_batches(data_dir, manifest, options, epochs=1, seed=0)


def test_decoding_happens_once_with_the_cache(data_dir, manifest, monkeypatch):
    calls = tf.Variable(0)

    def counted(encoded, image_size):
        calls.assign_add(1)
        return decode_and_resize(encoded, image_size)

    monkeypatch.setattr("pipelines.dataset.decode_and_resize", counted)
    count = manifest.splits["train"].num_examples
    for cache, expected in ((True, count), (False, 3 * count)):
        calls.assign(0)
        options = dataclasses.replace(MOVING, cache=cache, threads=1)
        collect(train_batches(data_dir, manifest, options, epochs=3, seed=0))
        assert calls.numpy() == expected, cache


def test_the_last_epochs_are_only_mirrored(data_dir, manifest):
    count = steps_per_epoch(manifest, MOVING) * MOVING.batch_size
    options = dataclasses.replace(MOVING, unwarped_epochs=1)
    images, _ = collect(train_batches(data_dir, manifest, options, epochs=3, seed=0))
    warped, _ = collect(train_batches(data_dir, manifest, MOVING, epochs=3, seed=0))
    stored, _ = stored_images(data_dir, manifest, "train")
    np.testing.assert_array_equal(images[: 2 * count], warped[: 2 * count])
    plain = distances(images[2 * count :], stored)
    mirrored = distances(images[2 * count :], stored[:, :, ::-1])
    assert np.minimum(plain, mirrored).max() < 1e-5
    assert 0 < (mirrored < 1e-5).mean() < 1
