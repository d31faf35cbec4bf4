"""Has the kernel end a child process when the process that started it ends, however it does."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # prctl(2)


def killed_with_parent() -> Callable[[], None] | None:
    """What a child process calls before it becomes another program, as `preexec_fn` of Popen.

    It is killed when the thread that started it ends, so this is for the main thread. None where
    there is no such thing (not Linux).
    """
    if not sys.platform.startswith("linux"):
        return None
    # Looked up here: the child of a fork should do as little as possible.
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is None:
        return None
    parent = os.getpid()

    def prepare() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # it has ended in the meantime
            os._exit(1)

    return prepare
