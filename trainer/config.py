"""What a run is asked to do: frozen, validated, written to the run directory."""

import dataclasses
import json
from pathlib import Path

from pipelines.command_line import option
from pipelines.errors import InputError
from trainer.input_config import DATA, InputConfig, check_at_least, check_share

CONFIG_NAME = "config.json"

MODEL, OPTIMISATION = "Model", "Optimisation"
HARDWARE, OUTPUT = "Hardware and speed", "Output"


@dataclasses.dataclass(frozen=True)
class TrainConfig(InputConfig):
    """Every choice of a training run; the defaults are the default recipe.

    Raises:
        InputError: when made with a value that cannot be, or with values that contradict.
    """

    verify_data: bool = option(
        False,
        "Read all shards before the start and compare their hashes; without it, whether each is "
        "there with its size.",
        group=DATA,
    )
    classes: tuple[str, ...] = option(
        (), "If given, the class names that the data must have.", group=DATA
    )
    l2: float = option(0.0, "L2 penalty on the convolutions' kernels.", group=MODEL)
    batch_norm_momentum: float = option(
        0.9, "Share of the old value that moving statistics keep in a step.", group=MODEL
    )
    sync_batch_norm: bool = option(
        True,
        "With several replicas, normalise by the statistics of the whole batch, so that the "
        "result does not depend on their number.",
        group=MODEL,
    )
    epochs: int = option(14, "Passes over the training split.", group=OPTIMISATION)
    learning_rate: float = option(2e-3, "Adam's peak learning rate.", group=OPTIMISATION)
    schedule: str = option(
        "cosine",
        "Learning rate over the run: constant; cosine to 0; or inverse_time, "
        "learning_rate / (1 + decay * step).",
        group=OPTIMISATION,
        choices=("constant", "cosine", "inverse_time"),
    )
    warmup_fraction: float = option(
        0.07,
        "Share of the steps in which the rate of --schedule=cosine first rises linearly from 0.",
        group=OPTIMISATION,
    )
    decay: float | None = option(
        None,
        "Rate of --schedule=inverse_time a step; learning_rate / epochs unless given, as in "
        "the tutorial.",
        group=OPTIMISATION,
    )
    label_smoothing: float = option(
        0.0, "Share of the target spread evenly over all classes, in [0, 1).", group=OPTIMISATION
    )
    class_weights: str = option(
        "none",
        "balanced: in the loss, examples of a class with few count more, examples / (classes * "
        "examples of the class), so that all classes count equally.",
        group=OPTIMISATION,
        choices=("none", "balanced"),
    )
    strategy: str = option(
        "default",
        "default: one device. mirrored: all GPUs of this machine, or the CPU.",
        group=HARDWARE,
        choices=("default", "mirrored"),
    )
    virtual_devices: int = option(
        0,
        "Split the CPU into N logical devices, to try --strategy=mirrored without GPUs.",
        group=HARDWARE,
    )
    precision: str = option(
        "auto",
        "auto: float16 on GPUs with tensor cores, bfloat16 on CPUs with AMX or AVX512-BF16, "
        "else float32.",
        group=HARDWARE,
        choices=("auto", "float32", "mixed_float16", "mixed_bfloat16"),
    )
    run_dir: str | None = option(
        None,
        "Directory for logs, model and report; runs/DATA-TIME unless given. A directory that "
        "holds anything is never written to.",
        group=OUTPUT,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_ranges()
        self._check_combinations()

    def _check_ranges(self) -> None:
        at_least = {"epochs": 1, "virtual_devices": 0, "l2": 0, "decay": 0}
        for name, least in at_least.items():
            check_at_least(name, getattr(self, name), least)
        for name in ("batch_norm_momentum", "label_smoothing", "warmup_fraction"):
            check_share(name, getattr(self, name))
        if not 0 < self.learning_rate < float("inf"):
            raise InputError(
                f"received --learning_rate={self.learning_rate}, expected a finite number above 0."
            )

    def _check_combinations(self) -> None:
        if self.virtual_devices > 1 and self.strategy == "default":
            raise InputError(
                f"received --virtual_devices={self.virtual_devices} with --strategy=default, which "
                "uses one device; add --strategy=mirrored."
            )
        if self.decay is not None and self.schedule != "inverse_time":
            raise InputError(
                f"received --decay={self.decay} with --schedule={self.schedule}, expected "
                "--schedule=inverse_time; drop one of the two."
            )
        if self.oversample and self.class_weights != "none":
            raise InputError(
                f"received --oversample with --class_weights={self.class_weights}, which both "
                "balance the classes, expected one of them; drop the other."
            )

    @property
    def unwarped_epochs(self) -> int:
        """The last epochs in which images are only mirrored."""
        return round(self.unwarped_fraction * self.epochs)

    def write(self, run_dir: Path) -> None:
        """Writes the config as `config.json` into `run_dir`."""
        text = json.dumps(dataclasses.asdict(self), indent=2)
        (run_dir / CONFIG_NAME).write_text(text + "\n", encoding="utf-8")
