"""Which processes train together, by TF_CONFIG or Slurm, and which of them this one is."""

import dataclasses
import json
import os
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from pipelines.runtime import tensorflow_runtime
from pipelines.runtime.errors import InputError

_EXAMPLE = (
    '{"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, "task": {"type": "worker", "index": 0}}'
)
# The first worker under the names that Kubeflow's TFJob has for it.
_CHIEF_TYPES = ("chief", "master")
_ADDRESS = re.compile(r"(?:[^\s:/\[\]]+|\[[0-9a-fA-F:.]+\]):([1-9]\d{0,4})")
_LAST_PORT = 65535


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a run; the first of them is the chief.

    Attributes:
        addresses: HOST:PORT of each worker, in the order of their indices.
        index: Of this process among them.
    """

    addresses: tuple[str, ...]
    index: int

    @property
    def count(self) -> int:
        """How many workers there are."""
        return len(self.addresses)

    @property
    def is_chief(self) -> bool:
        """Whether this process writes what a run leaves behind."""
        return self.index == 0

    @property
    def address(self) -> str:
        """Where this worker is reached."""
        return self.addresses[self.index]

    def name(self, index: int) -> str:
        """What a worker is called in messages: 'worker 1 (HOST:PORT)'."""
        return f"worker {index} ({self.addresses[index]})"


# One process that meets nobody; the address is for messages only.
ALONE = Cluster(("this process",), 0)


def cluster_from_environment() -> Cluster:
    """Reads who trains together from TF_CONFIG or, without it, from Slurm's variables.

    Raises:
        InputError: if neither is there, or what is there cannot be.
    """
    if "TF_CONFIG" in os.environ:
        return cluster_from_tf_config(os.environ["TF_CONFIG"])
    if "SLURM_JOB_ID" in os.environ:
        return cluster_from_slurm()
    raise InputError(
        "received --strategy=multi_worker without TF_CONFIG and outside of Slurm, expected one of "
        f"them to say where the workers are; set TF_CONFIG='{_EXAMPLE}' with each worker's own "
        "index, or use --strategy=mirrored."
    )


def cluster_from_tf_config(text: str) -> Cluster:
    """Reads a TF_CONFIG with workers, and maybe a chief, which then is worker 0.

    Args:
        text: As TensorFlow and Kubeflow's TFJob write it.

    Raises:
        InputError: if it is no such thing.
    """
    document = _document(text)
    chiefs, workers = _jobs(document)
    kind, index = _task(document)
    if kind in _CHIEF_TYPES and not chiefs or kind == "worker" and not workers:
        _refuse(f"with the task type {kind!r}", "one that its cluster has")
    of_its_kind, before = (workers, len(chiefs)) if kind == "worker" else (chiefs, 0)
    if not 0 <= index < len(of_its_kind):
        _refuse(
            f"with the task index {index}",
            f"0 to {len(of_its_kind) - 1}, since its cluster has {len(of_its_kind)} of "
            f"type {kind!r}",
        )
    return Cluster((*chiefs, *workers), before + index)


def host_and_port(address: str) -> tuple[str, int]:
    """The parts of an address that a `Cluster` has; an IPv6 host comes without its brackets."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        _refuse(f"{_shown(text)}, which is no JSON", "an object in JSON")
    if not isinstance(document, dict):
        _refuse(_shown(text), "an object in JSON")
    for part in ("cluster", "task"):
        if not isinstance(document.get(part), dict):
            _refuse(f"without the object {part!r}", "'cluster' and 'task'")
    return document


def _jobs(document: dict[str, Any]) -> tuple[Sequence[str], Sequence[str]]:
    """The addresses of the chief and of the workers; either may be missing."""
    cluster = document["cluster"]
    for kind in cluster:
        if kind not in ("worker", *_CHIEF_TYPES):
            _refuse(f"with {kind!r} in its cluster", "'worker' and 'chief' only")
    chiefs = [a for kind in _CHIEF_TYPES for a in _addresses(cluster, kind)]
    workers = _addresses(cluster, "worker")
    if len(chiefs) > 1:
        _refuse(f"with {len(chiefs)} chiefs ({', '.join(chiefs)})", "one at the most")
    if not chiefs and not workers:
        _refuse("with no worker in its cluster", "at least one address")
    everyone = [*chiefs, *workers]
    for address in everyone:
        if everyone.count(address) > 1:
            _refuse(f"with the address {address} twice", "another one for each worker")
    return chiefs, workers


def _addresses(cluster: dict[str, Any], kind: str) -> list[str]:
    addresses = cluster.get(kind, [])
    if not isinstance(addresses, list):
        _refuse(f"with {_shown(addresses)} for {kind!r}", "a list of addresses")
    for address in addresses:
        match = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
        if match is None or int(match[1]) > _LAST_PORT:
            _refuse(f"with the address {_shown(address)}", "HOST:PORT")
    return addresses


def _task(document: dict[str, Any]) -> tuple[str, int]:
    kind, index = (document["task"].get(name) for name in ("type", "index"))
    if kind not in ("worker", *_CHIEF_TYPES):
        _refuse(f"with the task type {_shown(kind)}", "'worker' or 'chief'")
    if not isinstance(index, int) or isinstance(index, bool):
        _refuse(f"with the task index {_shown(index)}", "a whole number")
    return kind, index


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _refuse(received: str, expected: str) -> NoReturn:
    raise InputError(
        f"received a TF_CONFIG {received}, expected {expected}; write it as {_EXAMPLE}."
    )


# A task's port is its job's first one plus its number on the node; so jobs that share a node do not
# meet, all below the ports that Linux gives to outgoing connections.
_FIRST_PORT, _PORTS_A_JOB, _JOBS = 10_000, 10, 2_000


def cluster_from_slurm() -> Cluster:
    """A worker for each task of this job step, by TensorFlow's `SlurmClusterResolver`.

    Which GPUs a task sees is left to Slurm (`--gpus-per-task`): the resolver would count them with
    nvidia-smi, fail where there are none, and divide by the number of tasks what Slurm has divided
    already.

    Raises:
        InputError: outside of a job step, or for variables that contradict.
    """
    tensorflow_runtime.import_tensorflow()
    import tensorflow as tf

    try:
        first_port = _FIRST_PORT + int(os.environ["SLURM_JOB_ID"]) % _JOBS * _PORTS_A_JOB
        local_id = int(os.environ["SLURM_LOCALID"])
        # As many GPUs as there may be tasks, one for each: only so does it list every task.
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=first_port,
            gpus_per_node=int(os.environ["SLURM_STEP_NUM_TASKS"]),
            gpus_per_task=1,
            auto_set_gpu=False,
        )
        addresses = tuple(resolver.cluster_spec().job_tasks("worker"))
        # It sorts the nodes by name, n10 before n9, but takes Slurm's rank, which counts n9 first,
        # for the index. So the index is that of this task's own address.
        own = f"{os.environ['SLURMD_NODENAME']}:{first_port + local_id}"
        return Cluster(addresses, addresses.index(own))
    except (KeyError, RuntimeError, ValueError) as error:
        raise InputError(
            f"received Slurm's environment, but not that of a task ({_missing(error)}), expected "
            "SLURM_PROCID, SLURM_LOCALID, SLURMD_NODENAME and those of the step; start the workers "
            "with srun, or say in TF_CONFIG where they are."
        ) from error


def _missing(error: Exception) -> str:
    return f"without {error.args[0]}" if isinstance(error, KeyError) else str(error)
