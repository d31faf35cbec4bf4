"""Shows where the time of training goes on this machine, from the shards to the model's step.

    python -m trainer.benchmark --data_dir=data/my_pictures
    python -m trainer.benchmark --data_dir=data/my_pictures --chart=benchmark.png

Takes the flags of trainer.main, and times what a run with them would do: each stage of the input
on its own, the whole input, the step on a constant batch, and both together.
"""

import dataclasses
import json
from typing import ClassVar

from pipelines.runtime import command, tensorflow_runtime
from pipelines.runtime.command import option
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import check_output_file, write_output_file
from pipelines.runtime.tensorflow_runtime import keep_freed_memory
from trainer.config import TrainConfig
from trainer.input_config import check_at_least

BENCHMARK = "Benchmark"


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig(TrainConfig):
    """A run that is timed and leaves nothing behind."""

    GROUPS: ClassVar[tuple[str, ...]] = (BENCHMARK, *TrainConfig.GROUPS)

    seconds: float = option(2.0, "How long each measurement takes, at the least.", group=BENCHMARK)
    rounds: int = option(
        3, "How often the step and training take turns; the median counts.", group=BENCHMARK
    )
    json: str | None = option(
        None, "Where the figures are written to as JSON, too.", group=BENCHMARK
    )
    chart: str | None = option(
        None, "Where a bar chart is written to, a .png file.", group=BENCHMARK
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("rounds", self.rounds, 1)
        if not 0 < self.seconds < float("inf"):
            raise InputError(f"received --seconds={self.seconds}, expected a number above 0.")
        if self.run_dir is not None:
            raise InputError(
                f"received --run_dir={self.run_dir}, expected none: a benchmark leaves no run "
                "behind; --json and --chart say where its figures go."
            )
        if self.strategy == "multi_worker":
            raise InputError(
                "received --strategy=multi_worker, expected a strategy of one process to be timed; "
                "use --strategy=mirrored."
            )
        if self.chart is not None and not self.chart.lower().endswith(".png"):
            raise InputError(f"received --chart={self.chart}, expected a file name in .png.")


def main(config: BenchmarkConfig) -> None:
    """Times what `config` says and prints what was found."""
    for flag, path in (("--json", config.json), ("--chart", config.chart)):
        if path is not None:
            check_output_file(flag, path, config.data_dir)
    keep_freed_memory()
    tensorflow_runtime.import_tensorflow()
    from trainer.timing.benchmark import run_benchmark

    findings = run_benchmark(config, config.seconds, config.rounds)
    print(findings.text(), flush=True)
    if config.json is not None:
        write_output_file(
            "--json", config.json, (json.dumps(findings.document(), indent=2) + "\n").encode()
        )
    if config.chart is not None:
        write_output_file("--chart", config.chart, findings.chart())


if __name__ == "__main__":
    command.run(main, BenchmarkConfig)
