"""Trains StridedNet on a set of shards and reports how well it does on the test split."""

from pipelines import command_line, quiet_tensorflow
from trainer.config import TrainConfig
from trainer.memory import keep_freed_memory


def main(config: TrainConfig) -> None:
    """Trains as `config` says; TensorFlow is imported only here, after the flags are checked."""
    keep_freed_memory()
    quiet_tensorflow.import_tensorflow()
    from trainer.train import train

    train(config)


if __name__ == "__main__":
    command_line.run(main, TrainConfig)
