"""Threads that end with their block; which ports are free, and what is said of one that is not."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipelines.runtime.errors import InputError
from pipelines.runtime.machine import check_ports, free_ports, threads


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


def test_a_thread_that_ctrl_c_cuts_off_from_its_pool_is_waited_for(monkeypatch):
    begun, finished = threading.Event(), []
    start = threading.Thread.start

    def interrupted_start(thread):
        start(thread)
        begun.wait()
        raise KeyboardInterrupt  # as when the signal comes while the pool waits for the thread

    def work():
        begun.set()
        time.sleep(0.1)
        finished.append(True)

    with pytest.raises(KeyboardInterrupt), threads(2) as pool:
        monkeypatch.setattr(threading.Thread, "start", interrupted_start)
        pool.submit(work)
    assert finished == [True]


def test_threads_are_waited_for_if_ctrl_c_ends_the_wait_of_their_pool(monkeypatch):
    begun, finished = threading.Event(), []

    def work():
        begun.set()
        time.sleep(0.1)
        finished.append(True)

    shutdown = ThreadPoolExecutor.shutdown

    def interrupted_shutdown(pool, **how):
        shutdown(pool, wait=False, **how)
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", interrupted_shutdown)
    with pytest.raises(KeyboardInterrupt), threads(2) as pool:
        pool.submit(work)
        begun.wait()
    assert finished == [True]
