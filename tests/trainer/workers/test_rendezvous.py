"""Workers find each other, whoever else comes, and say who is missing."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipelines.runtime.errors import InputError
from trainer.workers.cluster import Cluster, host_and_port
from trainer.workers.connection import Connection
from trainer.workers.gathering import PROTOCOL
from trainer.workers.rendezvous import meet

GROUP = "several workers"
AGREED = {"--batch_size": "32"}


@pytest.fixture
def start_meeting(addresses):
    """Starts a worker's `meet` in a thread; the future gives what it returned, or raises."""
    with ThreadPoolExecutor() as pool:

        def start(index, timeout=20.0, must_agree=AGREED):
            return pool.submit(meet, Cluster(addresses, index), timeout, must_agree)

        yield start


def connect(address):
    """Goes to a worker's address, until somebody listens there."""
    while True:
        try:
            return socket.create_connection(host_and_port(address))
        except ConnectionRefusedError:
            time.sleep(0.05)


def met(*meetings):
    """Who is connected to whom; checks that what one sends reaches the other, and hangs up."""
    connections = [meeting.result() for meeting in meetings]
    for index, to_chief in enumerate(connections[1:], start=1):
        to_chief[0].send(hello=index)
        assert connections[0][index].receive() == [{"hello": index}]
    for connection in [c for some in connections for c in some.values()]:
        connection.close()
    return [sorted(some) for some in connections]


ALL_MET = [[1, 2], [0], [0]]


def errors(*meetings):
    """The messages with which they end."""
    return [str(meeting.exception()) for meeting in meetings]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_all_meet_in_whatever_order_they_come(start_meeting, order):
    meetings = {}
    for index in order:
        meetings[index] = start_meeting(index)
        time.sleep(0.1)
    assert met(*(meetings[index] for index in range(3))) == ALL_MET


def test_a_worker_does_not_come(start_meeting, addresses, note_fault):
    happened = note_fault(GROUP, "a worker does not come")
    others = start_meeting(1), start_meeting(0, timeout=1)
    first, second = errors(*others)
    happened(others[0].exception())
    assert first == second
    assert first == (
        f"received no word from worker 2 ({addresses[2]}) in 1 s, expected all 3 workers to start; "
        "start all of them, or give them more time with --worker_timeout."
    )


def test_a_worker_with_less_patience_than_the_chief(start_meeting, addresses):
    start_meeting(0, timeout=2)
    [error] = errors(start_meeting(1, timeout=1))
    assert f"received no word from worker 2 ({addresses[2]}) in 1 s, expected" in error


def test_the_chief_does_not_come(start_meeting, addresses, note_fault):
    happened = note_fault(GROUP, "the chief does not come")
    meeting = start_meeting(1, timeout=0.2)
    [error] = errors(meeting)
    happened(meeting.exception())
    assert f"no word from worker 0 ({addresses[0]}) in 0.2 s (Connection refused), exp" in error


@pytest.mark.parametrize(
    ("theirs", "what"),
    [({"--batch_size": "64"}, "64"), ({}, "None")],
    ids=["another value", "no value"],
)
def test_a_worker_that_does_not_agree(start_meeting, addresses, theirs, what, note_fault):
    happened = note_fault(GROUP, "a worker with another --batch_size")
    meetings = start_meeting(0), start_meeting(1), start_meeting(2, must_agree=theirs)
    messages = errors(*meetings)
    happened(meetings[0].exception())
    assert set(messages) == {
        f"received --batch_size={what} from worker 2 ({addresses[2]}) and --batch_size=32 from "
        f"worker 0 ({addresses[0]}), expected the same on all workers; start all with the same "
        "flags and data."
    }


@pytest.mark.parametrize("index", [0, 1])
def test_the_port_is_in_use(start_meeting, addresses, index, note_fault):
    happened = note_fault(GROUP, "a worker's port is in use")
    host, port = host_and_port(addresses[index])
    with socket.create_server(("", port)):
        meeting = start_meeting(index)
        [error] = errors(meeting)
    happened(meeting.exception())
    assert f"received {addresses[index]} as the address of worker {index}, which is" in error
    assert f"port {port} cannot be used (Address already in use), expected a free one" in error


STRAYS = {
    "nothing": b"",
    "HTTP": b"GET / HTTP/1.1\r\n\r\n",
    "gRPC": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    "another JSON": b'{"index": 1}\n',
    "no object": b"[1]\n",
    "a number for a version": b'{"hello": 1, "index": 1}\n',
    "half a line": b'{"hello": ',
}


@pytest.mark.parametrize("hangs_up", [False, True])
def test_strangers_do_no_harm(start_meeting, addresses, hangs_up, note_fault):
    happened = note_fault(GROUP, "strangers connect to the chief")
    chief = start_meeting(0)
    strangers = []
    for sent in STRAYS.values():
        stranger = connect(addresses[0])
        stranger.sendall(sent)
        if hangs_up:
            stranger.close()
        strangers.append(stranger)
    all_met = met(chief, start_meeting(1), start_meeting(2))
    happened("they are not heard")
    for stranger in strangers:
        stranger.close()
    assert all_met == ALL_MET


def introduce(everyone, **changed):
    """A worker of our own, up to its first message."""
    hello = {"hello": PROTOCOL, "addresses": everyone, "index": 1, "must_agree": AGREED}
    connection = Connection(connect(everyone[0]))
    connection.send(**{**hello, **changed})
    return connection


@pytest.mark.parametrize(
    ("fault", "changed", "reason"),
    [
        ("of another run", {"addresses": ["a:1", "b:2"]}, "other workers' addresses than worker 0"),
        ("with the chief's index", {"index": 0}, "a second worker 0, expected each once"),
        ("with an index too large", {"index": 3}, "a second worker 3"),
        ("of another version", {"hello": "StridedNet workers, version 0"}, "version 0' where"),
    ],
)
def test_a_worker_that_is_not_of_this_run(
    start_meeting, addresses, fault, changed, reason, note_fault
):
    happened = note_fault(GROUP, f"a worker {fault}")
    chief = start_meeting(0)
    connection = introduce(addresses, **changed)
    [message] = connection.receive()
    connection.close()
    happened(InputError(message["refused"]))
    assert reason in message["refused"]
    assert met(chief, start_meeting(1), start_meeting(2)) == ALL_MET


def test_a_second_worker_of_the_same_index(start_meeting, addresses):
    chief = start_meeting(0)
    first, second = introduce(addresses), introduce(addresses)
    [message] = second.receive()
    assert "received a second worker 1, expected each once" in message["refused"]
    assert first.receive() == [{"missing": [2]}]
    for connection in (first, second):
        connection.close()
    assert met(chief, start_meeting(1), start_meeting(2)) == ALL_MET


def test_a_worker_that_goes_and_comes_again(start_meeting, addresses):
    chief = start_meeting(0)
    connection = introduce(addresses)
    assert connection.receive() == [{"missing": [2]}]
    connection.close()
    assert met(chief, start_meeting(1), start_meeting(2)) == ALL_MET


def test_a_chief_that_goes_and_comes_again(start_meeting, addresses):
    _, port = host_and_port(addresses[0])
    with socket.create_server(("", port)) as first:
        others = start_meeting(1), start_meeting(2)
        for _ in others:
            guest, _ = first.accept()
            assert json.loads(guest.recv(1 << 16))["hello"] == PROTOCOL
            guest.close()
    assert met(start_meeting(0), *others) == ALL_MET


def test_a_server_can_listen_where_the_workers_met(start_meeting, addresses):
    connections = [start_meeting(index) for index in range(3)]
    connections = [meeting.result() for meeting in connections]
    for address in addresses:
        socket.create_server(("", host_and_port(address)[1])).close()
    connections[1][0].send(still="there")
    assert connections[0][1].receive() == [{"still": "there"}]
    for connection in [c for some in connections for c in some.values()]:
        connection.close()
