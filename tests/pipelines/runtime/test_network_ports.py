"""Which ports are free, and what is said of one that is not."""

import socket

import pytest

from pipelines.runtime.errors import InputError
from pipelines.runtime.network_ports import check_ports, free_ports


def test_every_port_is_checked():
    (free,) = free_ports(1)
    check_ports([free])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"received --port={free} for 2 ports, but {port} "):
            check_ports([free, port])


def test_free_ports_differ_and_can_be_listened_at():
    ports = free_ports(50)
    assert len(set(ports)) == 50
    check_ports(ports)
