"""The failure of one worker ends all, with one line that says whose it was."""

import signal
import socket
import time

import pytest

from trainer.workers.cluster import host_and_port

GROUP = "several workers"
MODULE = "tests.trainer.workers.a_worker"


@pytest.fixture
def start(start_workers, addresses):
    """Starts three workers, and waits until they are together."""

    def start(**flags):
        arguments = ["-m", MODULE, f"--addresses={','.join(addresses)}"]
        arguments += [f"--{name}={value}" for name, value in flags.items()]
        workers = start_workers([[*arguments, f"--index={index}"] for index in range(3)])
        workers.wait_for_line("joined")
        return workers

    return start


def line(message):
    return f"python -m {MODULE}: {message}\n"


def test_a_normal_end_waits_for_the_slowest(start):
    workers = start()
    for index in (1, 0):
        workers.tell(index, "end")
    assert [workers.processes[index].poll() for index in range(3)] == [None] * 3
    workers.tell(2, "end")
    assert [workers.end(index) for index in range(3)] == [(0, "done\nleft\n", "")] * 3


@pytest.mark.parametrize("victim", [0, 2])
def test_a_worker_is_killed(start, addresses, victim, note_fault):
    happened = note_fault(GROUP, f"{'a worker' if victim else 'the chief'} is killed")
    workers = start()
    workers.processes[victim].kill()
    ends = [workers.end(index) for index in range(3) if index != victim]
    happened(ends[0][2].partition(": ")[2])
    message = (
        f"received the loss of worker {victim} ({addresses[victim]}): it ended or was killed, "
        "expected all workers to go on to the end; see what it said last, and start all workers "
        "again."
    )
    assert ends == [(1, "finished\n", line(message))] * 2


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("input error", ", which says: received NaN, expected a number; lower --learning_rate."),
        ("bug", ": ValueError: boom, expected all workers to go on"),
    ],
)
def test_a_worker_fails(start, addresses, told, reason, note_fault):
    happened = note_fault(GROUP, f"a worker fails: {told}")
    workers = start()
    workers.tell(1, told)
    status, _, error = workers.end(1)
    ends = [workers.end(index) for index in (0, 2)]
    happened(ends[0][2].partition(": ")[2])
    assert status == 1
    assert error.splitlines()[-1] in (
        line("received NaN, expected a number; lower --learning_rate.").strip(),
        "ValueError: boom",
    )
    for status, _, error in ends:
        assert status == 1
        assert error.startswith(
            line(f"received the loss of worker 1 ({addresses[1]}){reason}")[:-1]
        )
        assert error.count("\n") == 1


def test_an_error_of_tensorflow_is_told_by_its_cause(start, addresses, note_fault):
    happened = note_fault(GROUP, "a worker is killed in a collective")
    workers = start(seconds_to_leave=60)
    workers.processes[2].kill()
    for index in (0, 1):
        workers.tell(index, "lost")
    ends = [workers.end(index) for index in (0, 1)]
    happened(ends[0][2].partition(": ")[2])
    for status, printed, error in ends:
        assert (status, printed) == (1, "")
        assert error.startswith(line(f"received the loss of worker 2 ({addresses[2]}): it ")[:-1])
        assert error.count("\n") == 1


def test_a_worker_is_silent(start, addresses, note_fault):
    happened = note_fault(GROUP, "a worker's machine hangs")
    workers = start(seconds_of_silence=1)
    workers.processes[1].send_signal(signal.SIGSTOP)
    ends = [workers.end(index) for index in (0, 2)]
    happened(ends[0][2].partition(": ")[2])
    for status, _, error in ends:
        assert status == 1
        assert f"received the loss of worker 1 ({addresses[1]}): no sign of life for 1" in error
        assert error.count("\n") == 1


def test_one_worker_gets_a_signal(start, addresses, note_fault):
    happened = note_fault(GROUP, "a worker gets SIGTERM")
    workers = start()
    workers.processes[1].send_signal(signal.SIGTERM)
    assert workers.end(1) == (143, "", line("terminated."))
    ends = [workers.end(index) for index in (0, 2)]
    happened(ends[0][2].partition(": ")[2])
    for status, _, error in ends:
        assert status == 1
        assert f"the loss of worker 1 ({addresses[1]}): a signal stopped it, expected" in error


def test_all_get_a_signal(start):
    workers = start(seconds_to_leave=60)
    for process in workers.processes:
        process.send_signal(signal.SIGINT)
    assert [workers.end(index) for index in range(3)] == [(130, "", line("interrupted."))] * 3


def test_a_worker_that_is_done_may_be_stopped(start):
    workers = start()
    workers.tell(1, "end")
    workers.wait_for_line("done", 1)
    time.sleep(0.5)  # until the chief has heard of it
    workers.processes[1].send_signal(signal.SIGTERM)
    assert workers.end(1)[0] == 143
    for index in (0, 2):
        workers.tell(index, "end")
    assert [workers.end(index) for index in (0, 2)] == [(0, "done\nleft\n", "")] * 2


@pytest.mark.parametrize(
    ("number", "status", "last"),
    [(signal.SIGTERM, 143, "terminated."), (signal.SIGINT, 130, "interrupted.")],
)
@pytest.mark.parametrize("index", [0, 1])
def test_the_wait_can_be_stopped(start_workers, addresses, index, number, status, last):
    arguments = ["-m", MODULE, f"--addresses={','.join(addresses)}", f"--index={index}"]
    workers = start_workers([arguments])
    while not listens(addresses[index]):
        time.sleep(0.05)
    workers.processes[0].send_signal(number)
    assert workers.end(0) == (status, "", line(last))


def listens(address):
    try:
        socket.create_connection(host_and_port(address)).close()
    except ConnectionRefusedError:
        return False
    return True
