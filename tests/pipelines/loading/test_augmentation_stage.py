"""The last stage: which draws a batch gets, and what becomes of it."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from pipelines.augmentation.config import Augmentation
from pipelines.augmentation.rng import DRAWS_PER_EXAMPLE
from pipelines.loading.dataset import augmentation_stage
from pipelines.loading.options import InputOptions
from pipelines.loading.plan import plan_run
from pipelines.tfrecords.manifest import open_dataset

OPTIONS = InputOptions(image_size=16, batch_size=4, augmentation=Augmentation(mixup=0.3))


def finish(data_dir, *, seed=0, epoch=0, position=0, epochs=5, **changes):
    options = dataclasses.replace(OPTIONS, **changes)
    plan = plan_run(open_dataset(data_dir), options, epochs=epochs, seed=seed)
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    batch = {
        "image": tf.constant(images),
        "label": tf.constant([0, 1, 2, 0], tf.int64),
        "position": tf.range(position, position + 4, dtype=tf.int64),
        "epoch": tf.fill([4], tf.constant(epoch, tf.int64)),
    }
    return [part.numpy() for part in augmentation_stage(plan)(batch)]


@pytest.mark.parametrize("change", [{"seed": 1}, {"epoch": 1}, {"position": 4}])
def test_draws_follow_from_seed_epoch_and_position(data_dir, change):
    images, labels = finish(data_dir)
    for again, first in zip(finish(data_dir), (images, labels), strict=True):
        np.testing.assert_array_equal(again, first)
    other_images, other_labels = finish(data_dir, **change)
    assert (other_images != images).any()
    assert (other_labels != labels).any()


def test_neighbours_have_draws_of_their_own(data_dir):
    images, _, draws = finish(data_dir, augment_on="device")
    assert images.dtype == np.uint8
    assert draws.shape == (4, DRAWS_PER_EXAMPLE)
    assert len(np.unique(draws, axis=0)) == 4


def test_the_last_epochs_only_mirror(data_dir):
    _, labels = finish(data_dir, epoch=4, unwarped_epochs=1)
    np.testing.assert_array_equal(labels, np.eye(3, dtype=np.float32)[[0, 1, 2, 0]])
    _, before = finish(data_dir, epoch=3, unwarped_epochs=1)
    assert (before != labels).any()


def test_without_augmentation_images_are_scaled_only(data_dir):
    images, labels = finish(data_dir, augmentation=None)
    raw = finish(data_dir, augment_on="device")[0]
    np.testing.assert_array_equal(images, raw / np.float32(255))
    assert labels.tolist() == [0, 1, 2, 0]
