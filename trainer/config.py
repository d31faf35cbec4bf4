"""What a run is asked to do: frozen, validated, written to the run directory."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any, ClassVar

from pipelines.loading.options import SHARD_BY
from pipelines.runtime.command import option
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import atomic_file
from trainer.input_config import AUGMENTATION, DATA, INPUT_SPEED, ORDER, check_at_least
from trainer.model_config import MODEL
from trainer.optimisation_config import OPTIMISATION, SELECTION
from trainer.summaries.summary_config import TENSORBOARD, SummaryConfig

CONFIG_NAME = "config.json"

HARDWARE, OUTPUT = "Hardware and speed", "Output"
CHECKPOINTS = "Checkpoints"


@dataclasses.dataclass(frozen=True)
class TrainConfig(SummaryConfig):
    """Every choice of a training run; the defaults are the default recipe.

    Raises:
        InputError: when made with a value that cannot be, or with values that contradict.
    """

    GROUPS: ClassVar[tuple[str, ...]] = (
        DATA,
        OUTPUT,
        OPTIMISATION,
        HARDWARE,
        CHECKPOINTS,
        TENSORBOARD,
        MODEL,
        SELECTION,
        AUGMENTATION,
        ORDER,
        INPUT_SPEED,
    )

    verify_data: bool = option(
        False,
        "Read all shards before the start and compare their hashes; without it, whether each is "
        "there with its size.",
        group=DATA,
        decides="output",
        per_worker=True,
    )
    classes: tuple[str, ...] = option(
        (),
        "If given, the class names that the data must have.",
        group=DATA,
        decides="output",
        per_worker=True,
    )
    shard_by: str = option(
        "example",
        "How the workers of --strategy=multi_worker divide the data. example: each reads all "
        "shards, and the batches are those of one worker. file: each reads shards of its own.",
        group=ORDER,
        choices=SHARD_BY,
    )
    strategy: str = option(
        "default",
        "default: one device. mirrored: all GPUs of this machine, or the CPU. multi_worker: the "
        "same on several machines, each of which runs this command with the same flags; TF_CONFIG "
        "or Slurm say where they are. tpu (untested): that of TPU_NAME, or of this machine.",
        group=HARDWARE,
        decides="speed",
        choices=("default", "mirrored", "multi_worker", "tpu"),
    )
    worker_timeout: float = option(
        300.0,
        "How many seconds the workers of --strategy=multi_worker wait for each other at the start.",
        group=HARDWARE,
        decides="output",
        per_worker=True,
    )
    virtual_devices: int = option(
        0,
        "Split the CPU into N logical devices, to try --strategy=mirrored without GPUs.",
        group=HARDWARE,
        decides="speed",
    )
    precision: str = option(
        "auto",
        "auto: float16 on GPUs with tensor cores, bfloat16 on CPUs with AMX or AVX512-BF16 where a "
        "trial convolution runs by oneDNN, else float32.",
        group=HARDWARE,
        decides="speed",
        choices=("auto", "float32", "mixed_float16", "mixed_bfloat16"),
    )
    steps_per_call: int = option(
        1,
        "Steps in one call of TensorFlow: more where devices wait for Python between short steps.",
        group=HARDWARE,
        decides="speed",
    )
    run_dir: str | None = option(
        None,
        "Directory for logs, checkpoints, model and report; a run that is in it goes on. A new "
        "runs/DATA-TIME unless given.",
        group=OUTPUT,
        decides="output",
        is_place=True,
        per_worker=True,
    )
    pictures: bool = option(
        True,
        "Draw what the model gets right and wrong and where it looks; plot.png comes in any case.",
        group=OUTPUT,
        decides="output",
        per_worker=True,
    )
    audit: bool = option(
        True,
        "Tell in the run directory's README.md what image size, shape, border and a thumbnail "
        "alone give away, as `pipelines.inspect --audit` does.",
        group=OUTPUT,
        decides="output",
        per_worker=True,
    )
    checkpoint_every: str = option(
        "epoch",
        "When the run is saved: epoch; a number of steps, such as 500; or whole minutes, such as "
        "10m. A run that is stopped by Ctrl-C or SIGTERM is saved, too.",
        group=CHECKPOINTS,
        decides="output",
    )
    keep_checkpoints: int = option(
        3, "How many, the newest, are kept.", group=CHECKPOINTS, decides="output", per_worker=True
    )
    resume: str = option(
        "auto",
        "auto: go on with what --run_dir holds, from its newest checkpoint. never: refuse a "
        "--run_dir that holds a run. Or another run's directory, or a checkpoint of it, to go on "
        "from in a new --run_dir.",
        group=CHECKPOINTS,
        decides="output",
        is_place=True,
        per_worker=True,
    )
    check_numbers_every: int = option(
        100,
        "Steps after which loss and weights are checked for NaN and infinity; they are also before "
        "each checkpoint and after each epoch.",
        group=CHECKPOINTS,
        decides="output",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least = {
            "virtual_devices": 0,
            "steps_per_call": 1,
            "keep_checkpoints": 1,
            "check_numbers_every": 1,
        }
        for name, least in at_least.items():
            check_at_least(name, getattr(self, name), least)
        if self.virtual_devices > 1 and self.strategy == "default":
            raise InputError(
                f"received --virtual_devices={self.virtual_devices} with --strategy=default, which "
                "uses one device; add --strategy=mirrored."
            )
        if self.virtual_devices and self.strategy in ("multi_worker", "tpu"):
            raise InputError(
                f"received --virtual_devices={self.virtual_devices} with --strategy="
                f"{self.strategy}, which takes the devices that there are, expected "
                "--strategy=mirrored; drop one of the two."
            )
        if not self.resume:
            raise InputError(
                "received --resume= without a value, expected auto, never, a run directory or a "
                "checkpoint."
            )
        if self.shard_by != "example" and self.strategy != "multi_worker":
            raise InputError(
                f"received --shard_by={self.shard_by} with --strategy={self.strategy}, which is of "
                "one worker, expected --strategy=multi_worker; drop one of the two."
            )
        if not 0 < self.worker_timeout < float("inf"):
            raise InputError(
                f"received --worker_timeout={self.worker_timeout}, expected a finite number of "
                "seconds above 0."
            )
        if not re.fullmatch(r"epoch|[1-9]\d*m?", self.checkpoint_every):
            raise InputError(
                f"received --checkpoint_every={self.checkpoint_every}, expected epoch, a number of "
                "steps such as 500, or whole minutes such as 10m."
            )

    def agreed(self) -> dict[str, str]:
        """What must be the same on all workers, by flag."""
        return {
            f"--{field.name}": str(getattr(self, field.name))
            for field in dataclasses.fields(self)
            if not field.metadata["per_worker"]
        }

    def as_json(self) -> dict[str, Any]:
        """The value of each flag, in types that JSON has."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def write(self, run_dir: Path) -> None:
        """Writes the config as `config.json` into `run_dir`, whole or not at all."""
        text = json.dumps(self.as_json(), indent=2)
        with atomic_file(run_dir / CONFIG_NAME) as path:
            path.write_text(text + "\n", encoding="utf-8")
