"""Ends the process where Python cannot, because TensorFlow holds the interpreter's lock.

It does while it waits for the servers of the other workers: then no other thread runs, no signal
is handled, and there is no limit to it.
"""

import contextlib
import faulthandler
import signal
import subprocess
from collections.abc import Iterator
from typing import IO, cast

# Whatever comes to its stdin, it says its argument; if nothing does, it says nothing.
_SAY_IT = 'read -r _ && printf "%s\\n" "$1" >&2'
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def guarded(seconds: float, message: str) -> Iterator[None]:
    """Lets SIGINT and SIGTERM end the process at once, and after some time ends it with status 1.

    Args:
        seconds: How long that is.
        message: The line that then goes to stderr.
    """
    handlers = [signal.signal(number, signal.SIG_DFL) for number in _SIGNALS]
    # faulthandler's thread needs no lock, but cannot say what it is told to: only where Python is.
    # So that goes to a shell, which says it instead.
    with subprocess.Popen(
        ["/bin/sh", "-c", _SAY_IT, "sh", message], stdin=subprocess.PIPE
    ) as shell:
        faulthandler.dump_traceback_later(seconds, exit=True, file=cast(IO[bytes], shell.stdin))
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            for number, handler in zip(_SIGNALS, handlers, strict=True):
                signal.signal(number, handler)
