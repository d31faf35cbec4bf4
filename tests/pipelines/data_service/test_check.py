"""Whether services answer is found out before training, in seconds."""

import dataclasses
import socket

import pytest

from pipelines.data_service import port_of, start_servers
from pipelines.loading import service_check
from pipelines.loading.service_check import check_services
from pipelines.runtime.errors import InputError
from tests.pipelines.data_service.reading import OPTIONS, read, within_time
from trainer.config import TrainConfig
from trainer.train import train


def test_services_that_answer(services):
    check_services(services)


def test_nobody_there_is_said_before_training(data_dir, nobody, services, tmp_path):
    config = TrainConfig(
        data_dir=str(data_dir), run_dir=str(tmp_path / "run"), data_service=(services[0], nobody)
    )
    with pytest.raises(InputError) as caught:
        within_time(lambda: train(config))
    message = str(caught.value)
    assert f"received --data_service={nobody}, where no data service answers" in message
    assert f"python -m pipelines.data_service --port={nobody.rpartition(':')[2]}" in message
    assert not (tmp_path / "run").exists()


def test_the_chain_is_not_sent_to_nobody(data_dir, manifest, nobody):
    """tf.data would go on trying for an hour."""
    served = dataclasses.replace(OPTIONS, services=(nobody,))
    with pytest.raises(InputError, match="no data service answers"):
        read(data_dir, manifest, served)


def test_somebody_else_at_the_port(services, monkeypatch):
    monkeypatch.setattr(service_check, "_TIMEOUT_SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("localhost", 0))
        silent.listen()
        address = f"grpc://localhost:{silent.getsockname()[1]}"
        with pytest.raises(InputError, match=f"{address}, where no data service answers"):
            check_services([services[0], address])


def test_a_worker_that_is_not_reached():
    servers = start_servers("nowhere.invalid")
    with pytest.raises(InputError) as caught:
        check_services([f"grpc://localhost:{port_of(servers)}"])
    assert "the service answers, but not its worker at nowhere.invalid:" in str(caught.value)
    assert "--host=NAME" in str(caught.value)
