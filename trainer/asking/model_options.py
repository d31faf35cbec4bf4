"""The flags that say which model is asked, and how; no TensorFlow."""

import dataclasses

from pipelines.runtime.command import option
from pipelines.runtime.errors import InputError
from trainer.input_config import check_at_least

MODEL, SPEED = "Model", "Speed"


@dataclasses.dataclass(frozen=True)
class ModelOptions:
    """Which model is asked, and how.

    Raises:
        InputError: when made with a value that cannot be.
    """

    run_dir: str | None = option(
        None, "The directory of a finished run of trainer.main.", group=MODEL
    )
    precision: str = option(
        "auto",
        "auto: as the model was trained, but in float32 where this machine lacks that precision "
        "or would be several times slower (answers then differ in the second or third decimal). "
        "trained: as it was trained. float32: in float32.",
        group=MODEL,
        choices=("auto", "trained", "float32"),
    )
    batch_size: int = option(32, "Images that the model is given together.", group=SPEED)

    def __post_init__(self) -> None:
        if not self.run_dir:
            raise InputError(
                "received no --run_dir, expected the directory of a finished run of trainer.main; "
                "add --run_dir=runs/NAME."
            )
        check_at_least("batch_size", self.batch_size, 1)
