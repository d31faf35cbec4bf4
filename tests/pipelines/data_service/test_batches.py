"""Data services make the very batches that the trainer would make."""

import dataclasses

import numpy as np
import pytest

from pipelines.loading.dataset import train_batches
from pipelines.loading.plan import Worker, steps_per_epoch
from pipelines.tfrecords.manifest import ShardedDataset
from tests.pipelines.data_service.reading import (
    EPOCHS,
    OPTIONS,
    SEED,
    arrays,
    assert_equal,
    read,
    within_time,
)


def joined(batches, replicas):
    """The replicas of each step in one batch."""
    steps = [batches[first : first + replicas] for first in range(0, len(batches), replicas)]
    return [tuple(map(np.concatenate, zip(*step, strict=True))) for step in steps]


@pytest.mark.parametrize("start_step", [0, 5])
@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("count", [1, 2])
def test_batches_are_those_made_here(
    data_dir, manifest, services, made_here, count, replicas, start_step
):
    served = dataclasses.replace(OPTIONS, services=services[:count], replicas=replicas)
    assert len(made_here) == EPOCHS * steps_per_epoch(manifest, OPTIONS) == 9
    got = read(data_dir, manifest, served, start_step=start_step)
    assert_equal(joined(got, replicas), made_here[start_step:])


@pytest.mark.parametrize(
    "changes",
    [
        {"augmentation": None},
        {"augment_on": "device"},
        {"channels_first": True, "oversample": True},
        {"augmentation": dataclasses.replace(OPTIONS.augmentation, mixup=0.2), "batch_size": 4},
    ],
)
def test_and_so_they_are_with_other_options(data_dir, manifest, services, changes):
    here = dataclasses.replace(OPTIONS, **changes)
    served = dataclasses.replace(here, services=services)
    assert_equal(read(data_dir, manifest, served), read(data_dir, manifest, here))


@pytest.mark.parametrize("index", [0, 1])
def test_a_worker_gets_its_share(data_dir, manifest, services, index):
    served = dataclasses.replace(OPTIONS, services=services)
    worker = Worker(index, 2)
    expected = read(data_dir, manifest, worker=worker)
    assert_equal(read(data_dir, manifest, served, worker=worker), expected)


def test_the_number_of_batches_is_known(data_dir, manifest, services):
    served = dataclasses.replace(OPTIONS, services=services, replicas=2)
    dataset = within_time(
        lambda: train_batches(ShardedDataset(data_dir, manifest), served, epochs=2, seed=0)
    )
    assert int(dataset.cardinality()) == 12


def test_runs_at_the_same_time_share_nothing(data_dir, manifest, services, made_here):
    """Not even runs that are alike, or one data set that is gone through twice."""
    served = dataclasses.replace(OPTIONS, services=services)

    def side_by_side():
        other, alike, twice = (
            train_batches(ShardedDataset(data_dir, manifest), served, epochs=EPOCHS, seed=seed)
            for seed in (SEED + 1, SEED, SEED)
        )
        steps = list(zip(other, alike, twice, twice, strict=True))
        return [arrays(run) for run in zip(*steps, strict=True)]

    other, *runs = within_time(side_by_side)
    assert_equal(other, read(data_dir, manifest, seed=SEED + 1))
    for run in runs:
        assert_equal(run, made_here)


def test_a_relative_path_is_sent_as_an_absolute_one(
    data_dir, manifest, services, made_here, monkeypatch, tmp_path
):
    served = dataclasses.replace(OPTIONS, services=services)
    monkeypatch.chdir(data_dir.parent)
    dataset = within_time(
        lambda: train_batches(
            ShardedDataset(data_dir.name, manifest), served, epochs=EPOCHS, seed=SEED
        )
    )
    # The services of these tests stand where this process does.
    monkeypatch.chdir(tmp_path)
    assert_equal(within_time(lambda: arrays(dataset)), made_here)
