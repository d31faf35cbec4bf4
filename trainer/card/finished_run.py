"""A run that has come to its end, with all that can be said of it."""

import dataclasses
from typing import Any

from pipelines.tfrecords.manifest import Manifest
from trainer.config import TrainConfig
from trainer.model_description import ModelDescription
from trainer.run_state import RunState


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """What a model card is made of.

    Attributes:
        config: The run's choices.
        manifest: Of the data.
        description: Of the model.
        trainable_parameters: Of the model, how many.
        state: Where the run has come to.
        world: With how many 'workers' and 'replicas', and in which 'precision'.
        device: "GPU" or "CPU".
        report: What `report.json` says of the test split.
        audit: As `pipelines.inspection.audit.audit_shortcuts` gives it; None where it was left out.
        pictures: The names of those in the run directory.
    """

    config: TrainConfig
    manifest: Manifest
    description: ModelDescription
    trainable_parameters: int
    state: RunState
    world: dict[str, Any]
    device: str
    report: dict[str, Any]
    audit: dict[str, Any] | None
    pictures: frozenset[str]

    @property
    def epochs(self) -> int:
        """How many there were."""
        return len(self.state.records)

    @property
    def kept_epoch(self) -> int | None:
        """Whose weights are the model's, where that is not the last one."""
        return self.state.best_epoch if self.config.keep_best else None
