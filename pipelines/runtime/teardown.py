"""Lets a process end without taking TensorFlow apart, which takes a second and serves nobody."""

import atexit
import os
import sys

_is_left_out = False


def leave_out_teardown() -> None:
    """Has this process, whose work is done, end with status 0 as soon as its exit handlers ran.

    Threads are joined, and what was registered with `atexit` after the import of this module is
    called, as always; what is left out is the destruction of Python's and TensorFlow's objects. For
    a command's last line.
    """
    global _is_left_out
    _is_left_out = True


# Registered early, since handlers run in reverse order: those of later imports have run by then.
@atexit.register
def _leave() -> None:
    if _is_left_out:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
