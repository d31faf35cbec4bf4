"""A set, the batches that are made of it here, and two services in this process."""

import socket

import pytest

from pipelines.data_service import port_of, start_servers
from pipelines.tfrecords.manifest import load_manifest
from tests.pipelines.data_service.reading import read


@pytest.fixture(scope="package")
def manifest(data_dir):
    return load_manifest(data_dir)


@pytest.fixture(scope="package")
def made_here(data_dir, manifest):
    """The batches of a run without services, with `OPTIONS`."""
    return read(data_dir, manifest)


@pytest.fixture(scope="package")
def services():
    """The addresses of two services in this process."""
    servers = [start_servers("localhost") for _ in range(2)]
    yield tuple(f"grpc://localhost:{port_of(pair)}" for pair in servers)
    for dispatcher, worker in servers:
        worker.stop()
        dispatcher.stop()


@pytest.fixture
def nobody():
    """An address at which nobody listens, as long as the test runs."""
    with socket.socket() as held:
        held.bind(("localhost", 0))
        yield f"grpc://localhost:{held.getsockname()[1]}"
