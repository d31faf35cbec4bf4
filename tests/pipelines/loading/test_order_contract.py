"""The order contract: the same batches to the bit, however made and wherever one begins."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from pipelines.augmentation.config import Augmentation
from pipelines.loading.dataset import train_batches
from pipelines.loading.options import InputOptions
from pipelines.loading.plan import Worker, steps_per_epoch
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import ShardedDataset, load_manifest

EPOCHS, SEED = 3, 7
# Everything that is random, at once; a buffer that makes several windows of an epoch.
EVERYTHING = Augmentation(
    aspect_jitter=0.2,
    border_crop=0.1,
    black_fill=0.5,
    greyscale=0.2,
    blur=1.5,
    brightness=0.2,
    contrast=0.2,
    saturation=0.2,
    hue=0.1,
    erasing=0.5,
    mixup=0.2,
    cutmix=1.0,
)
OPTIONS = InputOptions(
    image_size=16,
    batch_size=8,
    augmentation=EVERYTHING,
    unwarped_epochs=1,
    shuffle_buffer=16,
    threads=2,
)


@pytest.fixture(scope="module")
def data_dir(make_finished_set):
    """120 images in 6 training shards."""
    return make_finished_set(images_per_class=40, shards=6)


@pytest.fixture(scope="module")
def manifest(data_dir):
    return load_manifest(data_dir)


@pytest.fixture(scope="module")
def reference(data_dir, manifest):
    """Each step's images and labels, of the plainest of all chains."""
    plain = dataclasses.replace(OPTIONS, cache="none", threads=1, readers=1)
    return steps_of(
        train_batches(ShardedDataset(data_dir, manifest), plain, epochs=EPOCHS, seed=SEED)
    )


def steps_of(batches, replicas=1):
    """The batches of the data set, `replicas` of them put together for each step."""
    pieces = [tuple(np.asarray(field) for field in batch) for batch in batches]
    steps = [pieces[start : start + replicas] for start in range(0, len(pieces), replicas)]
    return [[np.concatenate(column) for column in zip(*step, strict=True)] for step in steps]


def assert_same(received, expected):
    assert len(received) == len(expected)
    for number, (got, wanted) in enumerate(zip(received, expected, strict=True)):
        for one, other in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=f"step {number}")


def make(data_dir, manifest, start_step=0, worker=None, **changes):
    options = dataclasses.replace(OPTIONS, **changes)
    batches = train_batches(
        ShardedDataset(data_dir, manifest),
        options,
        epochs=EPOCHS,
        seed=SEED,
        start_step=start_step,
        worker=worker or Worker(),
    )
    return steps_of(batches, options.replicas)


# Every pair of values comes together at least once.
@pytest.mark.parametrize(
    ("cache", "readers", "threads", "replicas"),
    [
        ("memory", 1, 1, 1),
        ("memory", 5, 4, 4),
        ("none", 1, 4, 1),
        ("none", 5, 1, 4),
        ("memory", 5, 1, 1),
        ("none", 1, 1, 4),
        ("none", 5, 4, 1),
        ("memory", 1, 4, 4),
    ],
)
def test_neither_readers_threads_replicas_nor_cache_change_a_bit(
    data_dir, manifest, reference, cache, readers, threads, replicas
):
    tf.random.set_seed(readers)  # nor what a program has set globally
    received = make(
        data_dir, manifest, cache=cache, readers=readers, threads=threads, replicas=replicas
    )
    assert_same(received, reference)


@pytest.mark.parametrize("cache", ["memory", "none"])
@pytest.mark.parametrize("start_step", [1, 5, 10, 11, 12, 21, 22, 32])
def test_a_resumed_run_continues_the_sequence(data_dir, manifest, reference, cache, start_step):
    assert steps_per_epoch(manifest, OPTIONS) == 11
    received = make(data_dir, manifest, start_step, cache=cache)
    assert_same(received, reference[start_step:])


def test_nothing_is_left_after_the_last_step(data_dir, manifest):
    assert make(data_dir, manifest, start_step=EPOCHS * 11) == []


@pytest.mark.parametrize("cache", ["memory", "none"])
@pytest.mark.parametrize("workers", [2, 4])
def test_workers_by_example_share_the_batches_of_one(data_dir, manifest, reference, cache, workers):
    shares = [
        make(data_dir, manifest, 5, Worker(index, workers), cache=cache) for index in range(workers)
    ]
    together = [
        [np.concatenate(column) for column in zip(*step, strict=True)]
        for step in zip(*shares, strict=True)
    ]
    assert_same(together, reference[5:])


def test_augmentation_does_not_depend_on_the_batch_size(data_dir, manifest, reference):
    small = make(data_dir, manifest, batch_size=4)
    images = np.concatenate([images for images, _ in small[:4]])
    np.testing.assert_array_equal(images, np.concatenate([images for images, _ in reference[:2]]))


def test_epochs_and_seeds_have_orders_of_their_own(data_dir, manifest):
    still = dataclasses.replace(OPTIONS, augmentation=None)
    orders = set()
    for seed in (0, 1):
        images, _ = zip(
            *steps_of(
                train_batches(ShardedDataset(data_dir, manifest), still, epochs=2, seed=seed)
            ),
            strict=True,
        )
        orders |= {np.stack(images[:11]).tobytes(), np.stack(images[11:]).tobytes()}
    assert len(orders) == 4


def keys_of(steps):
    return [image.tobytes() for images, _ in steps for image in images]


@pytest.mark.parametrize("cache", ["memory", "none"])
def test_an_epoch_visits_every_example_once(data_dir, manifest, cache):
    still = {"augmentation": None, "cache": cache}
    keys = keys_of(make(data_dir, manifest, batch_size=9, **still))
    assert len(keys) == EPOCHS * 90
    epochs = [set(keys[start : start + 90]) for start in range(0, len(keys), 90)]
    assert len(epochs[0]) == 90
    assert epochs[0] == epochs[1] == epochs[2]


@pytest.mark.parametrize("cache", ["memory", "none"])
def test_workers_by_file_visit_every_example_once(data_dir, manifest, cache):
    still = {"augmentation": None, "cache": cache, "batch_size": 10}
    shares = [
        keys_of(make(data_dir, manifest, 0, Worker(index, 2, "file"), **still))
        for index in range(2)
    ]
    for epoch in range(EPOCHS):
        own = [set(keys[45 * epoch : 45 * epoch + 45]) for keys in shares]
        assert len(own[0]) == len(own[1]) == 45
        assert not own[0] & own[1]
        # Always of the same files.
        assert own == [set(keys[:45]) for keys in shares]


def test_workers_by_file_resume_and_cache_alike(data_dir, manifest):
    worker = Worker(1, 3, "file")
    whole = make(data_dir, manifest, 0, worker, batch_size=12, cache="none")
    for cache in ("memory", "none"):
        for start_step in (3, 8):
            resumed = make(data_dir, manifest, start_step, worker, batch_size=12, cache=cache)
            assert_same(resumed, whole[start_step:])


def test_workers_by_file_draw_augmentations_of_their_own(data_dir, manifest):
    """Two workers that hold the same images at the same place still show different ones."""
    mirrored = Augmentation(0, 0, 0, 0, 0, brightness=1.0)
    means = [
        [images.mean() for images, _ in make(
            data_dir, manifest, 0, Worker(index, 2, "file"), augmentation=mirrored, batch_size=2
        )]
        for index in range(2)
    ]  # fmt: skip
    assert np.corrcoef(means)[0, 1] < 0.5


@pytest.mark.parametrize("start_step", [0, 5, 13])
def test_oversampling_is_part_of_the_order(data_dir, manifest, start_step):
    plain = make(data_dir, manifest, cache="none", oversample=True)
    for changes in ({"cache": "memory"}, {"threads": 1, "replicas": 2}):
        resumed = make(data_dir, manifest, start_step, oversample=True, **changes)
        assert_same(resumed, plain[start_step:])


@pytest.mark.parametrize("cache", ["memory", "none"])
@pytest.mark.parametrize("start_step", [0, 7, 29])
def test_what_is_skipped_is_not_decoded(data_dir, manifest, monkeypatch, cache, start_step):
    decoded = tf.Variable(0)
    from pipelines.loading import dataset

    def counted(encoded, image_size, ratio):
        decoded.assign_add(tf.size(encoded))
        return decode_batch(encoded, image_size, ratio)

    decode_batch = dataset.decode_batch
    monkeypatch.setattr(dataset, "decode_batch", counted)
    make(data_dir, manifest, start_step, cache=cache, threads=1)
    wanted = (EPOCHS * 11 - start_step) * 8
    in_last_epoch_only = start_step >= 2 * 11
    if cache == "memory" and not in_last_epoch_only:
        wanted = 90  # every example once, whatever was skipped
    assert decoded.numpy() == wanted


def test_files_that_workers_cannot_divide_are_refused(data_dir, manifest):
    with pytest.raises(InputError, match="received 6 shards for 4 workers .* --shards=8"):
        make(data_dir, manifest, 0, Worker(0, 4, "file"))


def test_batches_that_workers_cannot_divide_are_refused(data_dir, manifest):
    with pytest.raises(InputError, match="batch size of 8 for 3 workers, expected a multiple of 3"):
        make(data_dir, manifest, 0, Worker(0, 3))


def test_mixing_needs_pairs_on_every_replica():
    with pytest.raises(InputError, match="batch size of 8 for 8 replicas .* a multiple of 16"):
        dataclasses.replace(OPTIONS, replicas=8)


@pytest.mark.parametrize("start_step", [-1, EPOCHS * 11 + 1])
def test_a_step_that_is_not_in_the_run_is_refused(data_dir, manifest, start_step):
    with pytest.raises(InputError, match=f"start_step={start_step} for 3 epochs of 11 steps"):
        make(data_dir, manifest, start_step)
