"""TensorFlow's start and end: a quick and quiet import, its messages, its memory, its teardown.

Commands import TensorFlow when they know that they will need it, and not before: the import takes
seconds, for which a wrong flag or a missing folder need not wait.
"""

import atexit
import contextlib
import gc
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

from pipelines.runtime.errors import InputError

# Parameters of glibc's mallopt(3).
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8
_LARGEST_MMAP_THRESHOLD = 32 << 20  # as much as glibc accepts on 64 bits
_KEPT_BYTES = 1 << 30

_skips_teardown = False


# The import, and what is printed.


def set_library_messages(verbosity: str) -> None:
    """Has TensorFlow and other libraries say as much as `--verbosity` of a command asks for.

    Call it before the import of TensorFlow. A TF_CPP_MIN_LOG_LEVEL that the user has set stays, and
    the processes that this one starts find it, too.
    """
    if verbosity == "warning":
        return
    from absl import logging as absl_logging

    absl_logging.set_verbosity(verbosity)
    if verbosity == "error":
        warnings.simplefilter("ignore")
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    else:
        absl_logging.use_absl_handler()  # for TensorFlow's messages and others', too
        # No TF_CPP_MAX_VLOG_LEVEL: already with 1, an epoch of seconds prints 400,000 lines.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0")


def import_tensorflow() -> None:
    """Imports TensorFlow; if the user has set a log level, it stays, and nothing is hidden.

    What its libraries print before they read their log level goes straight to file descriptor 2.
    It is shown if the import fails, though not if the user stops it.
    """
    if "tensorflow" in sys.modules:
        return
    with contextlib.ExitStack() as stack:
        # TensorFlow makes half a million objects, which stay for as long as the process. Looking
        # for garbage among them while they are made takes a third of its import, and once more at
        # the end of the process another second.
        if gc.isenabled():
            stack.callback(gc.enable)
        gc.disable()
        if "TF_CPP_MIN_LOG_LEVEL" not in os.environ:
            # Below level 3, every start on a machine without a GPU prints an error about CUDA.
            os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
            stack.enter_context(output_held_back(2))
        try:
            import tensorflow  # noqa: F401
        except ImportError as error:
            # A native module that Ctrl-C or SIGTERM comes upon turns it into an error of its own,
            # and the module that imports it may do so again.
            cause: BaseException | None = error
            while cause is not None and not isinstance(cause, KeyboardInterrupt | SystemExit):
                cause = cause.__cause__
            if cause is not None:
                raise cause from None
            raise
        gc.freeze()


@contextlib.contextmanager
def output_held_back(*descriptors: int) -> Iterator[None]:
    """Hides what this process prints to `descriptors`, from Python or from native code.

    What was hidden is shown on stderr if the block fails with anything but an `InputError`.
    """
    with contextlib.ExitStack() as stack:
        held_back = stack.enter_context(tempfile.TemporaryFile())
        stderr = os.dup(2)
        stack.callback(os.close, stderr)
        _flush()
        for number in descriptors:
            former = os.dup(number)
            stack.callback(os.close, former)
            stack.callback(os.dup2, former, number)
            os.dup2(held_back.fileno(), number)
        # Before the descriptors are put back, or Python's buffers would be written to the terminal.
        stack.callback(_flush)
        try:
            yield
        except InputError:
            raise
        except Exception:
            _flush()
            held_back.seek(0)
            os.write(stderr, held_back.read())
            raise


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


# Memory.


def keep_freed_memory() -> None:
    """Tells glibc to keep what is freed instead of giving it back to the operating system.

    A step frees and allocates the same hundreds of megabytes again. Under a tf.distribute strategy
    on the CPU, glibc gave them back each time, and half of the step went into page faults. Without
    glibc (macOS, musl) this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_TOP_PAD, _KEPT_BYTES // 2)


# The end of the process.


def skip_teardown() -> None:
    """Has this process, whose work is done, end with status 0 as soon as its exit handlers ran.

    Threads are joined, and what was registered with `atexit` after the import of this module is
    called, as always; what is skipped is the destruction of Python's and TensorFlow's objects,
    which takes a second. For a command's last line.
    """
    global _skips_teardown
    _skips_teardown = True


# Registered early, since handlers run in reverse order: those of later imports have run by then.
@atexit.register
def _leave() -> None:
    if _skips_teardown:
        _flush()
        os._exit(0)
