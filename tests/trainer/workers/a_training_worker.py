"""`trainer.main` with a small network and two replicas on each worker, as on two GPUs each.

Without GPUs, TensorFlow's strategy takes CPU:0 alone, and no argument of it says otherwise.
"""

from pipelines.runtime import command, tensorflow_runtime
from tests.small_network import build_small
from trainer.config import TrainConfig
from trainer.workers.cluster import cluster_from_environment

REPLICAS = 2


def main(config: TrainConfig) -> None:
    tensorflow_runtime.import_tensorflow()
    import tensorflow as tf
    from tensorflow.python.distribute import collective_all_reduce_strategy

    from trainer import loop_setup
    from trainer.train import train

    loop_setup.build_model = build_small

    def local_devices(strategy: object, resolver: object, worker: str) -> tuple:
        return tuple(f"{worker}/device:CPU:{index}" for index in range(REPLICAS)), "CPU"

    extended = collective_all_reduce_strategy.CollectiveAllReduceExtended
    extended._initialize_local_devices = local_devices
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * REPLICAS,
    )
    train(config, cluster_from_environment())


if __name__ == "__main__":
    command.run(main, TrainConfig)
