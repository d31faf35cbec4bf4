"""What goes wrong with a service is noticed, never trained on, and said in one line."""

import dataclasses
import gc
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import tensorflow as tf

from pipelines.loading import service
from pipelines.loading.dataset import train_batches
from pipelines.loading.service import watched
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import ShardedDataset
from tests.pipelines.data_service.reading import (
    EPOCHS,
    OPTIONS,
    SECONDS_AT_MOST,
    SEED,
    assert_equal,
    read,
    within_time,
)

ROOT = Path(__file__).parents[3]

# What tf.data can do to a stream without a word: from what is sent to what arrives.
FAULTS = {
    "a batch is lost with a connection": lambda sent: sent.take(2).concatenate(sent.skip(3)),
    "a service is started anew and begins again": lambda sent: sent.take(2).concatenate(sent),
    "two batches change places": lambda sent: sent.skip(1).take(1).concatenate(sent),
    "the batches are another run's": lambda sent: sent.map(
        lambda mark, batch: (mark + tf.constant([1, 0], tf.int64), batch)
    ),
    "the stream ends early": lambda sent: sent.take(5),
}


@pytest.fixture
def replace_service(monkeypatch):
    """Has the batches come back changed, as a service that fails would change them."""

    def replace(change):
        monkeypatch.setattr(
            tf.data.experimental.service, "distribute", lambda *args, **kwargs: change
        )

    return replace


@pytest.mark.parametrize("fault", FAULTS)
def test_other_batches_than_the_next_ones(
    data_dir, manifest, services, made_here, replace_service, fault
):
    replace_service(FAULTS[fault])
    served = dataclasses.replace(OPTIONS, services=services[:1])
    got = []

    def take():
        dataset = train_batches(
            ShardedDataset(data_dir, manifest), served, epochs=EPOCHS, seed=SEED
        )
        for batch in watched(dataset, served.services, str(data_dir)):
            got.append(tuple(tensor.numpy() for tensor in batch))

    with pytest.raises(InputError) as caught:
        within_time(take)
    assert "expected each once and in order" in str(caught.value)
    assert services[0] in str(caught.value)
    assert_equal(got, made_here[: len(got)])


def test_a_service_without_fault_passes(data_dir, manifest, services, made_here, replace_service):
    replace_service(lambda sent: sent)
    served = dataclasses.replace(OPTIONS, services=services[:1])
    assert_equal(read(data_dir, manifest, served), made_here)


def test_a_service_that_cannot_read_the_data(data_dir, manifest, services, tmp_path):
    there = tmp_path / "there"
    shutil.copytree(data_dir, there)
    served = dataclasses.replace(OPTIONS, services=services)

    def take():
        dataset = train_batches(ShardedDataset(there, manifest), served, epochs=EPOCHS, seed=SEED)
        shutil.rmtree(there)
        list(watched(dataset, services, str(data_dir)))

    with pytest.raises(InputError) as caught:
        within_time(take)
    message = str(caught.value)
    assert message.startswith(f"received '{there}/")
    assert "; No such file or directory' from the data service at localhost:" in message
    assert f"copy or mount {data_dir} there" in message


def test_data_that_is_damaged_here_too(data_dir, manifest, services, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(data_dir, damaged)
    shard = damaged / manifest.splits["train"].shards[0].name
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    served = dataclasses.replace(OPTIONS, services=services)

    def take():
        dataset = train_batches(ShardedDataset(damaged, manifest), served, epochs=EPOCHS, seed=SEED)
        list(watched(dataset, services, str(damaged)))

    with pytest.raises(InputError, match=f"the first in {shard.name}, record 0"):
        within_time(take)


class Stuck:
    """Batches of which the second does not come before `go`."""

    def __init__(self):
        self.go = threading.Event()

    def __iter__(self):
        yield "first"
        self.go.wait(SECONDS_AT_MOST)
        yield "second"


@pytest.fixture
def stuck(monkeypatch):
    monkeypatch.setattr(service, "_SECONDS_OF_A_WAIT", 0.01)
    monkeypatch.setattr(service, "_SECONDS_TO_END", 0)
    stuck = Stuck()
    yield stuck
    stuck.go.set()


def test_a_service_that_is_gone(services, stuck, nobody, tmp_path):
    source = iter(watched(stuck, (services[0], nobody), str(tmp_path)))
    assert next(source) == "first"
    with pytest.raises(InputError) as caught:
        within_time(lambda: next(source))
    assert f"received no batch from --data_service={nobody}" in str(caught.value)
    assert "Connection refused" in str(caught.value)


def test_a_service_that_is_slow(services, stuck, tmp_path, monkeypatch):
    checks = []
    why_unreachable = service.why_unreachable

    def counted(service):
        checks.append(service)
        if len(checks) > 20:
            stuck.go.set()
        return why_unreachable(service)

    monkeypatch.setattr(service, "why_unreachable", counted)
    assert within_time(lambda: list(watched(stuck, services, str(tmp_path)))) == ["first", "second"]
    assert len(checks) > 20


def test_a_service_that_was_gone_for_a_while(services, stuck, tmp_path, monkeypatch):
    reasons = iter(["gone", "gone", "", "gone", "gone", ""])

    def why_unreachable(service):
        reason = next(reasons, None)
        if reason is None:
            stuck.go.set()
        return reason or ""

    monkeypatch.setattr(service, "why_unreachable", why_unreachable)
    taken = within_time(lambda: list(watched(stuck, services[:1], str(tmp_path))))
    assert taken == ["first", "second"]


def test_an_error_that_is_not_the_services(services, tmp_path):
    class Failing:
        def __iter__(self):
            raise KeyError("unforeseen")

    with pytest.raises(KeyError, match="unforeseen"):
        within_time(lambda: list(watched(Failing(), services, str(tmp_path))))


def test_without_services_there_is_nothing_to_watch(stuck, tmp_path):
    assert watched(stuck, (), str(tmp_path)) is stuck


@pytest.fixture
def start_service():
    """Starts a service in a process of its own, at a port; gives the process and the port."""
    processes = []

    def start(port):
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"from pipelines.data_service import serve; serve('localhost', '{port}', '0')",
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        processes.append(process)
        return process, int(within_time(process.stdout.readline))

    yield start
    for process in processes:
        process.kill()
        process.communicate(timeout=SECONDS_AT_MOST)


def test_a_service_that_is_started_anew(data_dir, manifest, made_here, start_service):
    process, port = start_service(0)
    service = f"grpc://localhost:{port}"
    served = dataclasses.replace(OPTIONS, services=(service,))

    def run_meanwhile():
        # So long that it cannot be over before.
        dataset = within_time(
            lambda: train_batches(
                ShardedDataset(data_dir, manifest), served, epochs=10**6, seed=SEED
            )
        )
        source = iter(watched(dataset, served.services, str(data_dir)))
        within_time(lambda: next(source))
        process.kill()
        process.wait()
        start_service(port)
        with pytest.raises(InputError) as caught:
            within_time(lambda: list(source))
        return str(caught.value)

    assert "a service was started anew" in run_meanwhile()
    # And a run that begins now has all that it should, when the other is gone, as its process would
    # be: its client goes on asking, and the service may give it batches of the new run.
    gc.collect()
    assert_equal(read(data_dir, manifest, served), made_here)
