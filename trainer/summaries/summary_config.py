"""The flags of what TensorBoard shows of a run."""

import dataclasses
import re

from pipelines.runtime.command import option
from pipelines.runtime.errors import InputError
from trainer.input_config import check_at_least
from trainer.optimisation_config import OptimisationConfig

TENSORBOARD = "TensorBoard"


@dataclasses.dataclass(frozen=True)
class SummaryConfig(OptimisationConfig):
    """What a run writes for TensorBoard beside what it always writes.

    Raises:
        InputError: when made with a value that cannot be.
    """

    summary_every: int = option(
        0,
        "Also write loss, accuracy, gradient norm, learning rate and speed of each N training "
        "steps; 0 for those of whole epochs alone.",
        group=TENSORBOARD,
        decides="output",
    )
    histograms: bool = option(
        False,
        "After each epoch write histograms of all weights, and of each layer's outputs on some "
        "evaluated images.",
        group=TENSORBOARD,
        decides="output",
        per_worker=True,
    )
    profile_steps: str | None = option(
        None,
        "FIRST,LAST: profile these steps of this process, counted from 1, as 10,20, for the tab "
        "Profile of TensorBoard (extra [profile]).",
        group=TENSORBOARD,
        decides="output",
        per_worker=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("summary_every", self.summary_every, 0)
        if self.profile_steps is None:
            return
        first, last = self.profiled or (0, 0)
        if not 1 <= first < last:
            raise InputError(
                f"received --profile_steps={self.profile_steps}, expected two whole numbers, the "
                "first at least 1 and the second larger, as 10,20."
            )

    @property
    def profiled(self) -> tuple[int, int] | None:
        """The first and the last of the steps to profile; None for none."""
        found = re.fullmatch(r"(\d+),(\d+)", self.profile_steps or "", re.ASCII)
        return (int(found[1]), int(found[2])) if found else None
