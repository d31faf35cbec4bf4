"""A worker that takes steps under `--strategy=multi_worker`: each sums over all replicas."""

import dataclasses

from pipelines.runtime import command, tensorflow_runtime
from pipelines.runtime.command import option
from trainer.workers.cluster import cluster_from_environment
from trainer.workers.peers import joined


@dataclasses.dataclass(frozen=True)
class WorkerConfig:
    steps: int = option(3, "How many it takes.", group="Worker")


def main(config: WorkerConfig) -> None:
    cluster = cluster_from_environment()
    with joined(cluster, timeout=60, must_agree={"--steps": str(config.steps)}) as peers:
        tensorflow_runtime.import_tensorflow()
        import tensorflow as tf

        from trainer.strategy import make_strategy

        with peers.starting():
            strategy = make_strategy("multi_worker", cluster=cluster)
        numbers = strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(10.0**context.replica_id_in_sync_group)
        )

        @tf.function
        def step() -> tf.Tensor:
            return strategy.reduce(
                tf.distribute.ReduceOp.SUM, strategy.run(tf.square, args=(numbers,)), axis=None
            )

        for number in range(config.steps):
            total = float(step())
            if number == 1:
                print(f"sum {total:g}", flush=True)


if __name__ == "__main__":
    command.run(main, WorkerConfig)
