"""Where a run stands, in numbers that go into a checkpoint as they are."""

import dataclasses
import math
from typing import Any

from trainer.history import EpochRecord


@dataclasses.dataclass
class RunState:
    """Where a run stands.

    Attributes:
        step: Steps that have been taken.
        sums: What the steps of the epoch have come to, as in `trainer.progress.Progress`.
        epoch_seconds: Time that they took.
        waited_seconds: Of it, waiting for input.
        train_seconds: Time of the whole run so far, with evaluations and over all resumptions.
        records: Of the epochs that are over and evaluated.
        told: What `sums`, `epoch_seconds`, `waited_seconds` and `step` were when figures of a part
            of the epoch were last told, or the epoch began.
    """

    step: int = 0
    sums: list[float] = dataclasses.field(default_factory=lambda: [0.0] * 4)
    epoch_seconds: float = 0.0
    waited_seconds: float = 0.0
    train_seconds: float = 0.0
    records: list[EpochRecord] = dataclasses.field(default_factory=list)
    told: list[float] = dataclasses.field(default_factory=lambda: [0.0] * 7)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RunState":
        """The state that `dataclasses.asdict` made `values` of."""
        records = [EpochRecord.from_dict(record) for record in values["records"]]
        return cls(**{**values, "records": records})

    def means(self, batch_size: int) -> tuple[float, float, float]:
        """Loss, accuracy and norm of the gradient, over the epoch's steps so far; NaN for none."""
        cross_entropy, right, norm, steps = self.sums
        if not steps:
            return (float("nan"),) * 3
        return cross_entropy / (steps * batch_size), right / (steps * batch_size), norm / steps

    def add(self, record: EpochRecord) -> None:
        """Ends an epoch."""
        self.records.append(record)
        self.sums = [0.0] * 4
        self.epoch_seconds = self.waited_seconds = 0.0
        self.told = [*[0.0] * 6, float(self.step)]

    @property
    def evaluated_step(self) -> int:
        """The last step of the last epoch that is over and evaluated; 0 before the first."""
        return self.records[-1].step if self.records else 0

    @property
    def best_epoch(self) -> int:
        """The first with the least loss on the evaluated split; 0 before the first."""
        # NaN, from logits that overflow in the evaluation alone, is no least loss.
        best = min(
            self.records,
            key=lambda record: (math.isnan(record.eval.loss), record.eval.loss),
            default=None,
        )
        return best.epoch if best else 0

    def is_over(self, epochs: int, early_stopping: int | None) -> bool:
        """Whether no epoch is left, or `early_stopping` of them have not bettered the loss."""
        done = len(self.records)
        since_best = done - self.best_epoch
        return done >= epochs or (early_stopping is not None and since_best >= early_stopping)
