"""The model of a finished run, made ready to be asked."""

import dataclasses
from pathlib import Path

import numpy as np

from trainer.float32_model import float32_model
from trainer.precision import can_run, check_runs, is_emulated
from trainer.trained_model import TrainedModel, load_trained_model

_FLOAT32 = "float32"


@dataclasses.dataclass(frozen=True)
class AskedModel:
    """A model that is asked about batches of one size.

    Attributes:
        trained: The model, its classes and its images.
        batch_size: Of all batches: what an image's answer is does not depend on how many are asked
            about together.
        note: What is to be said of its precision; '' for nothing.
    """

    trained: TrainedModel
    batch_size: int
    note: str = ""

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Each class's probability, float32 (images, classes).

        Args:
            images: uint8 (n, size, size, 3), at most `batch_size` of them.
        """
        missing = self.batch_size - len(images)
        full = np.pad(images, [(0, missing), (0, 0), (0, 0), (0, 0)])
        return self.trained.probabilities(full)[: len(images)]


def load_asked_model(run_dir: Path, precision: str, batch_size: int) -> AskedModel:
    """Loads the model of a run.

    Args:
        run_dir: The run directory.
        precision: 'auto', 'trained' or 'float32', as `--precision` of the commands.
        batch_size: Of all batches.

    Raises:
        InputError: if there is none that can be used, or 'trained' is a precision that does not
            run on this machine.
    """
    trained = load_trained_model(run_dir)
    policy = trained.description.precision
    if precision == "trained":
        check_runs(policy)
    emulated = is_emulated(policy)
    if policy == _FLOAT32 or precision == "trained" or (precision == "auto" and not emulated):
        return AskedModel(trained, batch_size)
    trained = dataclasses.replace(trained, model=float32_model(trained.model))
    does = "only emulates" if can_run(policy) else "cannot run"
    why = f", which this machine {does}" if emulated else ""
    note = f"asked in float32, but trained in {policy}{why}: answers differ a little"
    return AskedModel(trained, batch_size, note)
