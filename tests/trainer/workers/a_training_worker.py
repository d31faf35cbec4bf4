"""`trainer.main` with two replicas on each worker, as on machines with two GPUs.

Without GPUs, TensorFlow's strategy takes CPU:0 alone, and no argument of it says otherwise.
"""

from pipelines import command_line, quiet_tensorflow
from trainer.config import TrainConfig
from trainer.workers.cluster import cluster_from_environment

REPLICAS = 2


def main(config: TrainConfig) -> None:
    quiet_tensorflow.import_tensorflow()
    import tensorflow as tf
    from tensorflow.python.distribute import collective_all_reduce_strategy

    from trainer.train import train

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
    command_line.run(main, TrainConfig)
