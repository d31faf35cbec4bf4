"""Trains StridedNet on a set of shards and reports how well it does on the test split."""

import os
import sys

from pipelines import command_line, quiet_tensorflow
from trainer.config import TrainConfig
from trainer.memory import keep_freed_memory
from trainer.workers.cluster import ALONE, cluster_from_environment


def main(config: TrainConfig) -> None:
    """Trains as `config` says; TensorFlow is imported only here, after the flags are checked."""
    cluster = ALONE
    if config.strategy == "multi_worker":
        cluster = cluster_from_environment()
    elif "TF_CONFIG" in os.environ:
        print(
            f"warning: TF_CONFIG is set, but --strategy={config.strategy} trains in this process "
            "alone; --strategy=multi_worker trains with the workers that it names.",
            file=sys.stderr,
            flush=True,
        )
    keep_freed_memory()
    quiet_tensorflow.import_tensorflow()
    from trainer.train import train

    train(config, cluster)


if __name__ == "__main__":
    command_line.run(main, TrainConfig)
