"""Trains a small network on a set of shards and reports how well it does on the test split.

    python -m trainer.main --data_dir=data/my_pictures --run_dir=runs/first
    python -m trainer.main --flagfile=recipes/tutorial.flags --dry_run

The first trains, and goes on where it was if it is started again. The second only says what would
be done, and how long it would take.
"""

import dataclasses
import os

from pipelines.runtime import command, console, tensorflow_runtime
from pipelines.runtime.command import option
from pipelines.runtime.errors import InputError
from pipelines.runtime.tensorflow_runtime import keep_freed_memory, skip_teardown
from trainer.config import OUTPUT, TrainConfig
from trainer.workers.cluster import ALONE, cluster_from_environment


@dataclasses.dataclass(frozen=True)
class MainConfig(TrainConfig):
    """A run, and whether it is only looked at."""

    dry_run: bool = option(
        False,
        "Check all that a run checks before its first step, print the flags, the model, the number "
        "of steps and an estimate of the time, measured by a few of them, and leave nothing "
        "behind.",
        group=OUTPUT,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dry_run and self.strategy == "multi_worker":
            raise InputError(
                "received --dry_run with --strategy=multi_worker, expected a strategy of one "
                "process; use --strategy=mirrored for it, or drop --dry_run."
            )

    def of_run(self) -> TrainConfig:
        """The run's own choices."""
        fields = dataclasses.fields(TrainConfig)
        return TrainConfig(**{field.name: getattr(self, field.name) for field in fields})


def main(config: MainConfig) -> None:
    """Trains as `config` says; TensorFlow is imported only here, after the flags are checked."""
    cluster = ALONE
    if config.strategy == "multi_worker":
        cluster = cluster_from_environment()
    elif "TF_CONFIG" in os.environ:
        console.warn(
            f"TF_CONFIG is set, but --strategy={config.strategy} trains in this process "
            "alone; --strategy=multi_worker trains with the workers that it names."
        )
    keep_freed_memory()
    tensorflow_runtime.import_tensorflow()
    if config.dry_run:
        from trainer.rehearsal.dry_run import dry_run

        dry_run(config.of_run())
        return
    from trainer.train import train

    train(config.of_run(), cluster)


if __name__ == "__main__":
    config = command.run(main, MainConfig)
    if config.strategy != "multi_worker":  # whose workers take leave of each other
        skip_teardown()
