"""Name to tf.distribute strategy."""

import os

import tensorflow as tf

from pipelines.runtime.errors import InputError
from trainer.multi_worker import multi_worker_strategy
from trainer.workers.cluster import ALONE, Cluster


def make_strategy(
    name: str, virtual_devices: int = 0, cluster: Cluster = ALONE
) -> tf.distribute.Strategy:
    """The strategy of that name.

    Args:
        name: "default", one device without tf.distribute; "mirrored", a replica on each GPU of this
            machine, or on the CPU where there is none; "multi_worker", the same on each worker;
            or "tpu", a replica on each core of the TPU that TPU_NAME names, or of this machine.
        virtual_devices: If not 0, the CPU is split into so many logical devices and "mirrored"
            puts a replica on each of them instead.
        cluster: For "multi_worker", who the workers are: all of them must make the strategy, and
            wait here for each other.

    Raises:
        InputError: for another name, if TensorFlow has started with other devices before, or if
            there is no TPU.
    """
    cpus = _split_cpu(virtual_devices) if virtual_devices else None
    if name == "default":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        if cpus:
            return tf.distribute.MirroredStrategy(cpus, tf.distribute.ReductionToOneDevice())
        return tf.distribute.MirroredStrategy()
    if name == "multi_worker":
        return multi_worker_strategy(cluster)
    if name == "tpu":
        return _tpu_strategy()
    raise InputError(
        f"received strategy {name!r}, expected 'default', 'mirrored', 'multi_worker' or 'tpu'."
    )


def check_batch_size(batch_size: int, strategy: tf.distribute.Strategy, pieces: int = 1) -> None:
    """Every replica must get equally many examples, in pieces of equal size.

    Raises:
        InputError: if the global batch does not divide by the number of replicas and of pieces.
    """
    replicas = strategy.num_replicas_in_sync
    parts = replicas * pieces
    if batch_size % parts:
        nearest = max(parts, round(batch_size / parts) * parts)
        # Without tf.distribute there is no such list.
        workers = replicas // len(strategy.extended.worker_devices) if replicas > 1 else 1
        of_each = f" ({workers} workers with {replicas // workers} each)" if workers > 1 else ""
        accumulated = f" and --accumulation_steps={pieces}" if pieces > 1 else ""
        raise InputError(
            f"received a batch size of {batch_size} for {replicas} replica{'s' * (replicas > 1)}"
            f"{of_each}{accumulated}, expected a multiple of {parts}; use --batch_size={nearest}."
        )


def _tpu_strategy() -> tf.distribute.Strategy:
    """A replica on each TPU core. By TensorFlow's documentation: we had no TPU to run it on."""
    name = os.environ.get("TPU_NAME", "local")
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(name)
        if name != "local":
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except (OSError, RuntimeError, ValueError, tf.errors.OpError) as error:
        reason = str(error).partition("\n")[0][:120]
        raise InputError(
            f"received --strategy=tpu with the TPU {name!r} ({reason}), expected one that can be "
            "reached; name it in TPU_NAME, install tensorflow-tpu on its virtual machine, or use "
            "another --strategy."
        ) from error


def _split_cpu(count: int) -> list[str]:
    cpu = tf.config.list_physical_devices("CPU")[0]
    wanted = [tf.config.LogicalDeviceConfiguration()] * count
    try:
        # Or else everything that asks for GPUs, the choice of the precision first, would find some.
        tf.config.set_visible_devices([], "GPU")
        tf.config.set_logical_device_configuration(cpu, wanted)
    except RuntimeError as error:
        # TensorFlow has started already: its devices can no longer be changed, only reused.
        available = len(tf.config.list_logical_devices("CPU"))
        if available < count:
            raise InputError(
                f"received {count} virtual devices, but TensorFlow has started with {available} "
                "CPU devices in this process; ask for them before anything else uses TensorFlow."
            ) from error
    return [f"CPU:{index}" for index in range(count)]
