"""Keeps the memory that TensorFlow frees, for its next step."""

import ctypes
import sys

# Parameters of glibc's mallopt(3).
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8
_LARGEST_MMAP_THRESHOLD = 32 << 20  # as much as glibc accepts on 64 bits
_KEPT_BYTES = 1 << 30


def keep_freed_memory() -> None:
    """Tells glibc to keep what is freed instead of giving it back to the operating system.

    A step frees and allocates the same hundreds of megabytes again. Under a tf.distribute strategy
    on the CPU, glibc gave them back each time, and half of the step went into page faults. Without
    glibc (macOS, musl) this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_TOP_PAD, _KEPT_BYTES // 2)
