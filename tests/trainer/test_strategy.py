"""Which replicas a name gives, and which batches they can share."""

import pytest

from pipelines.errors import InputError
from trainer.strategy import check_batch_size, make_strategy


@pytest.mark.parametrize(("name", "devices", "replicas"), [("default", 0, 1), ("mirrored", 2, 2)])
def test_number_of_replicas(name, devices, replicas):
    assert make_strategy(name, devices).num_replicas_in_sync == replicas


def test_unknown_name_is_refused():
    with pytest.raises(InputError, match="received strategy 'mirorred', expected"):
        make_strategy("mirorred")


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
