"""Which processes train together, by the environment that Slurm gives the tasks of a job step."""

import os

from pipelines.runtime import tensorflow_runtime
from pipelines.runtime.errors import InputError
from trainer.workers.cluster import Cluster

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
            f"received Slurm's environment, but not that of a task ({_reason(error)}), expected "
            "SLURM_PROCID, SLURM_LOCALID, SLURMD_NODENAME and those of the step; start the workers "
            "with srun, or say in TF_CONFIG where they are."
        ) from error


def _reason(error: Exception) -> str:
    return f"without {error.args[0]}" if isinstance(error, KeyError) else str(error)
