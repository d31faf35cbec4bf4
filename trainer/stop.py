"""Signals that ask a run to stop: noted, so that the run can save itself first."""

import signal
import types
from typing import Any


class StopSignals:
    """Within it, the first SIGINT or SIGTERM is only noted; the second does what it did before.

    Python tells of a signal between two calls of TensorFlow, so that a step is never cut.

    Attributes:
        received: The number of the signal that came, or None.
    """

    _NUMBERS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        for number in self._NUMBERS:
            # A script that starts something in the background has it ignore Ctrl-C.
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        self._put_back()

    def wanted(self) -> bool:
        """Whether a signal has come."""
        return self.received is not None

    def _note(self, number: int, frame: types.FrameType | None) -> None:
        self.received = number
        self._put_back()

    def _put_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
