"""The bar that shows how far an epoch is, on a terminal."""

import sys

from tqdm import tqdm

from pipelines.runtime import console
from trainer.time_left import TimeLeft

_FORMAT = "{desc} {percentage:3.0f}%|{bar}| left {remaining}{postfix}"
_WIDE_FORMAT = f"{_FORMAT}, {{rate_noinv_fmt}}"
_WIDE_COLUMNS = 100  # from which there is room for the rate


class EpochBar(tqdm):
    """Counts images; elsewhere than on a terminal it is disabled.

    Args:
        epoch: Counted from 1.
        epochs: Of the run.
        images: Training images in an epoch.
        done: Those of it that the run has seen before.
    """

    def __init__(self, epoch: int, epochs: int, images: int, done: int) -> None:
        super().__init__(
            total=images,
            initial=done,
            desc=f"epoch {epoch:{len(str(epochs))}}/{epochs}",
            unit=" images",
            bar_format=_WIDE_FORMAT if console.columns(sys.stderr) >= _WIDE_COLUMNS else _FORMAT,
            disable=not console.shows_bars(),
            leave=False,
        )

    def show(self, images: int, loss: float, accuracy: float, time_left: TimeLeft) -> None:
        """Moves it on.

        Args:
            images: Those of the epoch that have been seen.
            loss: Their mean loss.
            accuracy: The share that was classified right.
            time_left: Of the whole run.
        """
        parts = (time_left.text("run"), f"loss {loss:.4f}", f"accuracy {accuracy:.4f}")
        self.set_postfix_str(", ".join(filter(None, parts)), refresh=False)
        self.update(images - self.n)
