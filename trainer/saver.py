"""When a run is saved, and as what."""

import time

import numpy as np

from trainer.loop import Loop
from trainer.run_output import Silence
from trainer.run_state import RunState


class Saver:
    """Saves a run as often as `--checkpoint_every` says.

    Args:
        every: "epoch", a number of steps, or minutes as in "10m".
        output: Where to.
        state: Where the run stands, as it is saved already.
        best: The evaluated weights of the best epoch so far.
    """

    def __init__(
        self, every: str, output: Silence, state: RunState, best: list[np.ndarray]
    ) -> None:
        self._steps = int(every) if every.isdecimal() else None
        self._seconds = int(every[:-1]) * 60 if every.endswith("m") else None
        self._output = output
        self.best = best
        self._saved = _place(state)
        self._saved_at = time.monotonic()

    def most(self, step: int) -> int:
        """The steps that may be taken after `step` before a checkpoint is due."""
        return 1 << 30 if self._steps is None else self._steps - step % self._steps

    def is_due_after_step(self, step: int) -> bool:
        """Whether to save now, in the middle of an epoch."""
        if self._steps is not None:
            return step % self._steps == 0
        return self._seconds is not None and time.monotonic() - self._saved_at >= self._seconds

    def is_due_after_epoch(self) -> bool:
        """Whether to save now that an epoch has been evaluated."""
        return self._steps is None and self._seconds is None

    def has_saved(self, state: RunState) -> bool:
        """Whether the run is saved as it stands."""
        return self._saved == _place(state)

    def save(self, state: RunState, loop: Loop) -> None:
        """Begins to save the run.

        Raises:
            InputError: if the checkpoint before this one could not be written.
        """
        self._saved, self._saved_at = _place(state), time.monotonic()
        self._output.save(state, loop.state(), self.best)

    def check(self) -> None:
        """Asks whether the last checkpoint could not be written, without waiting for it.

        Raises:
            InputError: if so.
        """
        self._output.check()

    def wait(self) -> None:
        """Waits until the last checkpoint is on the disk.

        Raises:
            InputError: if it could not be written.
        """
        self._output.wait()


def _place(state: RunState) -> tuple[int, int]:
    return state.step, len(state.records)
