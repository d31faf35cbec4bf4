"""Holds back what converters and runtimes print."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

from pipelines.runtime.errors import InputError


@contextlib.contextmanager
def output_held_back() -> Iterator[None]:
    """Within it, nothing that this process prints is seen, from Python or from native code.

    What was held back is shown if the block ends with an error that nobody foresaw.
    """
    with contextlib.ExitStack() as stack:
        held_back = stack.enter_context(tempfile.TemporaryFile())
        stderr = _redirected(stack, held_back.fileno())
        try:
            yield
        except InputError:
            raise
        except Exception:
            _flush()
            held_back.seek(0)
            os.write(stderr, held_back.read())
            raise


def _redirected(stack: contextlib.ExitStack, descriptor: int) -> int:
    """Sends stdout and stderr to `descriptor` until `stack` ends; returns the former stderr."""
    _flush()
    for number in (1, 2):
        former = os.dup(number)
        stack.callback(os.close, former)
        stack.callback(os.dup2, former, number)
        os.dup2(descriptor, number)
    # Before the descriptors are put back, or Python's buffers would be written to the terminal.
    stack.callback(_flush)
    return former


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
