"""Name to tf.distribute strategy."""

import tensorflow as tf

from pipelines.errors import InputError


def make_strategy(name: str, virtual_devices: int = 0) -> tf.distribute.Strategy:
    """The strategy of that name, over this machine's devices.

    Args:
        name: "default", one device without tf.distribute; or "mirrored", a replica on each GPU,
            or on the CPU where there is none.
        virtual_devices: If not 0, the CPU is split into so many logical devices and "mirrored"
            puts a replica on each of them instead.

    Raises:
        InputError: for another name, or if TensorFlow has started with other devices before.
    """
    cpus = _split_cpu(virtual_devices) if virtual_devices else None
    if name == "default":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        if cpus:
            return tf.distribute.MirroredStrategy(cpus, tf.distribute.ReductionToOneDevice())
        return tf.distribute.MirroredStrategy()
    raise InputError(f"received strategy {name!r}, expected 'default' or 'mirrored'.")


def check_batch_size(batch_size: int, strategy: tf.distribute.Strategy) -> None:
    """Every replica must get equally many examples.

    Raises:
        InputError: if the global batch does not divide by the number of replicas.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        nearest = max(replicas, round(batch_size / replicas) * replicas)
        raise InputError(
            f"received a batch size of {batch_size} for {replicas} replicas, expected a multiple "
            f"of {replicas}; use --batch_size={nearest}."
        )


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
