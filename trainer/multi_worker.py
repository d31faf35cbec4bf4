"""The strategy of several workers, each a process with replicas of its own."""

import tensorflow as tf

from trainer.workers.cluster import Cluster


def multi_worker_strategy(cluster: Cluster) -> tf.distribute.Strategy:
    """`MultiWorkerMirroredStrategy`: sums go around all replicas, by NCCL on GPUs.

    Each worker has a replica on each of its GPUs or, without any, one on the CPU. This starts
    TensorFlow's server at the worker's address and waits until those of all others are there.

    Args:
        cluster: Who the workers are.
    """
    gpus = len(tf.config.get_visible_devices("GPU"))
    implementations = tf.distribute.experimental.CommunicationImplementation
    options = tf.distribute.experimental.CommunicationOptions(
        # AUTO takes NCCL where it can.
        implementation=implementations.AUTO if gpus else implementations.RING
    )
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.addresses)}),
        task_type="worker",
        task_id=cluster.index,
        num_accelerators={"GPU": gpus},
        rpc_layer="grpc",
    )
    return tf.distribute.MultiWorkerMirroredStrategy(resolver, options)
