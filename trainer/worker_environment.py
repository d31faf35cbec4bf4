"""What each of several workers on one machine finds in its environment."""

import json
from collections.abc import Mapping, Sequence

from pipelines.runtime.errors import InputError


def worker_environments(
    addresses: Sequence[str], environment: Mapping[str, str]
) -> list[dict[str, str]]:
    """The environment of each worker: its place in the cluster, and its share of the GPUs.

    Args:
        addresses: HOST:PORT of each worker.
        environment: What all of them have in common. The GPUs that CUDA_VISIBLE_DEVICES names in
            it are divided; without it, all workers see all GPUs.

    Raises:
        InputError: for a number of GPUs that cannot be divided by the workers.
    """
    # Or what a worker prints would wait in it until there is much of it.
    common = {**environment, "PYTHONUNBUFFERED": "1"}
    shares = _divided_gpus(environment.get("CUDA_VISIBLE_DEVICES", ""), len(addresses))
    return [
        {**common, **shares[index], "TF_CONFIG": _tf_config(addresses, index)}
        for index in range(len(addresses))
    ]


def _tf_config(addresses: Sequence[str], index: int) -> str:
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": list(addresses)}, "task": task})


def _divided_gpus(visible: str, workers: int) -> list[dict[str, str]]:
    gpus = [gpu.strip() for gpu in visible.split(",")]
    if workers == 1 or any(gpu == "" or gpu.startswith("-") for gpu in gpus):
        return [{} for _ in range(workers)]  # not given, or -1 for none
    if len(gpus) % workers:
        raise InputError(
            f"received CUDA_VISIBLE_DEVICES={visible} for {workers} workers, expected a multiple "
            f"of {workers} GPUs, or -1 for none; change it or --workers."
        )
    each = len(gpus) // workers
    shares = [gpus[each * index : each * (index + 1)] for index in range(workers)]
    return [{"CUDA_VISIBLE_DEVICES": ",".join(share)} for share in shares]
