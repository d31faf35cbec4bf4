"""Who trains together, read from TF_CONFIG and from Slurm's environment."""

import json

import pytest

from pipelines.runtime.errors import InputError
from trainer.workers.cluster import (
    Cluster,
    cluster_from_environment,
    cluster_from_tf_config,
    host_and_port,
)

GROUP = "several workers"
TWO = ["a:1", "b:2"]


def tf_config(cluster, kind="worker", index=0):
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


@pytest.mark.parametrize(
    ("cluster", "kind", "index", "expected"),
    [
        ({"worker": TWO}, "worker", 1, Cluster(("a:1", "b:2"), 1)),
        ({"chief": ["c:3"], "worker": TWO}, "chief", 0, Cluster(("c:3", "a:1", "b:2"), 0)),
        ({"worker": TWO, "chief": ["c:3"]}, "worker", 1, Cluster(("c:3", "a:1", "b:2"), 2)),
        ({"master": ["c:3"], "worker": TWO}, "worker", 0, Cluster(("c:3", "a:1", "b:2"), 1)),
        ({"chief": ["c:3"]}, "chief", 0, Cluster(("c:3",), 0)),
        ({"worker": ["[::1]:5"]}, "worker", 0, Cluster(("[::1]:5",), 0)),
    ],
)
def test_tf_config(cluster, kind, index, expected, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", tf_config(cluster, kind, index))
    assert cluster_from_environment() == expected


def test_what_a_cluster_says():
    cluster = Cluster(("a:1", "[::1]:2"), 1)
    assert (cluster.count, cluster.is_chief, cluster.address) == (2, False, "[::1]:2")
    assert cluster.name(0) == "worker 0 (a:1)"
    assert [host_and_port(address) for address in cluster.addresses] == [("a", 1), ("::1", 2)]


MALFORMED = {
    "no JSON": ("{cluster", "which is no JSON, expected an object"),
    "empty": ("", "which is no JSON"),
    "a list": ("[]", r"TF_CONFIG '\[\]', expected an object"),
    "no cluster": (json.dumps({"task": {"type": "worker", "index": 0}}), "the object 'cluster'"),
    "no task": (json.dumps({"cluster": {"worker": TWO}}), "the object 'task'"),
    "no workers": (tf_config({"worker": []}), "with no worker"),
    "a parameter server": (tf_config({"worker": TWO, "ps": ["p:1"]}), "'ps' in its cluster"),
    "an evaluator": (tf_config({"worker": TWO}, "evaluator"), "the task type 'evaluator'"),
    "a type that is not there": (tf_config({"worker": TWO}, "chief"), "'chief', expected one that"),
    "no worker, but a chief": (tf_config({"chief": ["c:3"]}), "'worker', expected one that"),
    "two chiefs": (tf_config({"chief": TWO}, "chief"), r"2 chiefs \(a:1, b:2\)"),
    "an index too large": (tf_config({"worker": TWO}, index=2), "index 2, expected 0 to 1"),
    "an index below 0": (tf_config({"worker": TWO}, index=-1), "index -1, expected 0 to 1"),
    "an index in quotes": (tf_config({"worker": TWO}, index="1"), "index '1', expected a whole"),
    "no index": (tf_config({"worker": TWO}, index=None), "index None, expected a whole"),
    "true for an index": (tf_config({"worker": TWO}, index=True), "index True, expected a whole"),
    "an address twice": (tf_config({"worker": ["a:1", "a:1"]}), "the address a:1 twice"),
    "one address as chief and worker": (
        tf_config({"chief": ["a:1"], "worker": ["a:1"]}),
        "the address a:1 twice",
    ),
    "an address without a port": (tf_config({"worker": ["a"]}), "address 'a', expected HOST:PORT"),
    "a port above 65535": (tf_config({"worker": ["a:65536"]}), "address 'a:65536'"),
    "port 0": (tf_config({"worker": ["a:0"]}), "address 'a:0'"),
    "an address with http://": (tf_config({"worker": ["http://a:1"]}), "address 'http://a:1'"),
    "a number for an address": (tf_config({"worker": [8]}), "address 8, expected HOST:PORT"),
    "addresses that are no list": (tf_config({"worker": "a:1"}), "'a:1' for 'worker'"),
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_a_malformed_tf_config(fault, note_fault):
    happened = note_fault(GROUP, f"TF_CONFIG: {fault}")
    text, message = MALFORMED[fault]
    with pytest.raises(InputError, match=message) as raised:
        cluster_from_tf_config(text)
    happened(raised.value)
    assert all(
        part in str(raised.value) for part in ("received a TF_CONFIG", "expected", "; write")
    )
    assert "\n" not in str(raised.value)


def test_no_environment(note_fault):
    happened = note_fault(GROUP, "neither TF_CONFIG nor Slurm")
    with pytest.raises(InputError, match="without TF_CONFIG and outside of Slurm, exp") as raised:
        cluster_from_environment()
    happened(raised.value)


def set_slurm(monkeypatch, **changed):
    task = {
        "JOB_ID": "2003",
        "PROCID": "1",
        "LOCALID": "0",
        "STEP_NUM_TASKS": "2",
        "STEP_NODELIST": "n[9-10]",
        "STEP_TASKS_PER_NODE": "1(x2)",
    }
    for name, value in {**task, **changed}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)


@pytest.mark.parametrize(("node", "rank", "index"), [("n9", "0", 1), ("n10", "1", 0)])
def test_slurm_on_two_nodes(monkeypatch, node, rank, index):
    # TensorFlow sorts n10 before n9, whatever the ranks are.
    set_slurm(monkeypatch, PROCID=rank)
    monkeypatch.setenv("SLURMD_NODENAME", node)
    assert cluster_from_environment() == Cluster(("n10:10030", "n9:10030"), index)


def test_slurm_with_two_tasks_on_one_node(monkeypatch):
    set_slurm(monkeypatch, LOCALID="1", STEP_NODELIST="n9", STEP_TASKS_PER_NODE="2")
    monkeypatch.setenv("SLURMD_NODENAME", "n9")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert cluster_from_environment() == Cluster(("n9:10030", "n9:10031"), 1)


def test_tf_config_goes_before_slurm(monkeypatch):
    set_slurm(monkeypatch)
    monkeypatch.setenv("TF_CONFIG", tf_config({"worker": TWO}))
    assert cluster_from_environment().addresses == ("a:1", "b:2")


@pytest.mark.parametrize(
    ("fault", "changed", "reason"),
    [
        ("a batch script without srun", {"STEP_NUM_TASKS": None}, "without SLURM_STEP_NUM_TASKS"),
        ("no node list", {"STEP_NODELIST": None}, "SLURM_STEP_NODELIST not found"),
        ("a node list in disorder", {"STEP_NODELIST": "n[9"}, "Invalid hostlist format"),
        ("another number of tasks", {"STEP_NUM_TASKS": "3"}, "Requested 3 tasks but only 2"),
    ],
)
def test_slurm_without_a_task(monkeypatch, note_fault, fault, changed, reason):
    happened = note_fault(GROUP, f"Slurm: {fault}")
    set_slurm(monkeypatch)
    monkeypatch.setenv("SLURMD_NODENAME", "n9")
    for name, value in changed.items():
        if value is None:
            monkeypatch.delenv(f"SLURM_{name}")
        else:
            monkeypatch.setenv(f"SLURM_{name}", value)
    with pytest.raises(InputError, match=f"received Slurm's environment.*{reason}") as raised:
        cluster_from_environment()
    happened(raised.value)
    assert "start the workers with srun" in str(raised.value)
