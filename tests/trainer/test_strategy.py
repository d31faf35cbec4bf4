"""Which replicas a name gives, and which batches they can share."""

from unittest import mock

import pytest

from pipelines.runtime.errors import InputError
from trainer.strategy import check_batch_size, make_strategy


@pytest.mark.parametrize(("name", "devices", "replicas"), [("default", 0, 1), ("mirrored", 2, 2)])
def test_number_of_replicas(name, devices, replicas):
    assert make_strategy(name, devices).num_replicas_in_sync == replicas


def test_unknown_name_is_refused():
    with pytest.raises(InputError, match="received strategy 'mirorred', expected"):
        make_strategy("mirorred")


def test_a_machine_without_tpu_is_told_so(monkeypatch, note_fault):
    happened = note_fault("several workers", "--strategy=tpu without a TPU")
    monkeypatch.delenv("TPU_NAME", raising=False)
    with pytest.raises(InputError, match="received --strategy=tpu with the TPU 'local' ") as raised:
        make_strategy("tpu")
    happened(raised.value)
    assert "name it in TPU_NAME" in str(raised.value)


def test_more_virtual_devices_than_the_process_started_with_are_refused():
    make_strategy("mirrored", 2)
    with pytest.raises(InputError, match="received 3 virtual devices, but TensorFlow has started"):
        make_strategy("mirrored", 3)


@pytest.mark.parametrize(("batch_size", "nearest"), [(1, 2), (7, 8), (33, 32)])
def test_a_batch_that_does_not_divide_is_refused(batch_size, nearest):
    strategy = make_strategy("mirrored", 2)
    check_batch_size(32, strategy)
    with pytest.raises(InputError, match=f"for 2 replicas.*use --batch_size={nearest}"):
        check_batch_size(batch_size, strategy)


def test_a_batch_that_does_not_divide_among_workers_is_refused():
    strategy = mock.Mock(num_replicas_in_sync=6)
    strategy.extended.worker_devices = ["GPU:0", "GPU:1"]
    check_batch_size(12, strategy)
    message = r"for 6 replicas \(3 workers with 2 each\), expected a multiple of 6.*_size=30"
    with pytest.raises(InputError, match=message):
        check_batch_size(32, strategy)


@pytest.mark.parametrize(("batch_size", "nearest"), [(2, 8), (30, 32), (36, 32)])
def test_a_batch_that_does_not_divide_into_pieces_is_refused(batch_size, nearest):
    strategy = make_strategy("mirrored", 2)
    check_batch_size(32, strategy, pieces=4)
    with pytest.raises(InputError) as caught:
        check_batch_size(batch_size, strategy, pieces=4)
    message = "2 replicas and --accumulation_steps=4, expected a multiple of 8; use --batch_size="
    assert f"{message}{nearest}." in str(caught.value)


def test_pieces_without_a_strategy():
    with pytest.raises(InputError, match="1 replica and --accumulation_steps=5.*=30"):
        check_batch_size(32, make_strategy("default"), pieces=5)
