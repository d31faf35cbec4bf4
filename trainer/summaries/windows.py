"""The figures of every so many steps of an epoch."""

from trainer.history import TrainMetrics
from trainer.run_state import RunState

_ALL = 1 << 30


class Windows:
    """Cuts epochs into windows of some steps; what is left of an epoch is no window.

    All processes that train together cut in the same places.

    Args:
        every: Steps in a window; 0 for no windows.
        steps_per_epoch: Steps in an epoch.
        batch_size: Images in a step.
    """

    def __init__(self, every: int, steps_per_epoch: int, batch_size: int) -> None:
        self._every = every
        self._steps_per_epoch = steps_per_epoch
        self._batch_size = batch_size

    def most(self, step: int) -> int:
        """The steps that may be taken after `step` before a window ends."""
        return self._every - step % self._steps_per_epoch % self._every if self._every else _ALL

    def is_over_after(self, step: int) -> bool:
        """Whether a window ends with the step, the number of those taken."""
        if not self._every:
            return False
        in_epoch = (step - 1) % self._steps_per_epoch + 1
        return in_epoch % self._every == 0

    def metrics(self, state: RunState, learning_rate: float) -> TrainMetrics:
        """The figures of the window that ends here; the next one begins.

        Args:
            state: Up to date with the device; it notes where the next window begins.
            learning_rate: After the last step.
        """
        now = [*state.sums, state.epoch_seconds, state.waited_seconds, float(state.step)]
        loss, right, norm, steps, seconds, waited, taken = (
            value - before for value, before in zip(now, state.told, strict=True)
        )
        state.told = now
        images = steps * self._batch_size
        return TrainMetrics(
            loss=loss / images if images else float("nan"),
            accuracy=right / images if images else float("nan"),
            gradient_norm=norm / steps if steps else float("nan"),
            images_per_second=taken * self._batch_size / seconds,
            input_wait_fraction=waited / seconds,
            learning_rate=learning_rate,
        )
