"""Imports TensorFlow, quickly and without the messages of its start; sets what its libraries say.

Commands call this when they know that they will need TensorFlow, and not before: the import takes
seconds, for which a wrong flag or a missing folder need not wait.
"""

import contextlib
import gc
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

from absl import logging as absl_logging


def set_library_messages(verbosity: str) -> None:
    """Has TensorFlow and other libraries say as much as `--verbosity` of a command asks for.

    Goes before the import of TensorFlow. A TF_CPP_MIN_LOG_LEVEL that the user has set stays, and is
    what the processes that this one starts find, too.

    Args:
        verbosity: One of `pipelines.runtime.console.VERBOSITIES`; "warning" changes nothing.
    """
    if verbosity == "error":
        warnings.simplefilter("ignore")
        absl_logging.set_verbosity(absl_logging.ERROR)
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    if verbosity in ("info", "debug"):
        absl_logging.use_absl_handler()  # for TensorFlow's messages and others', too
        levels = {"info": absl_logging.INFO, "debug": absl_logging.DEBUG}
        absl_logging.set_verbosity(levels[verbosity])
        # No TF_CPP_MAX_VLOG_LEVEL: already with 1, an epoch of seconds prints 400,000 lines.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0")


def import_tensorflow() -> None:
    """Imports TensorFlow; a log level that the user has set stays, and then nothing is hidden.

    What its libraries print before they read their log level goes straight to file descriptor 2.
    That is put back right after the import, and what was held back is shown if the import fails,
    though not if the user stops it.
    """
    if "tensorflow" in sys.modules:
        return
    with _objects_that_stay():
        _import_quietly()


@contextlib.contextmanager
def _objects_that_stay() -> Iterator[None]:
    """Has the garbage collector leave out what the body makes, now and later.

    TensorFlow comes to half a million objects, which stay for as long as the process. To look
    through them again and again while they become more takes a third of its import, and to do it
    once more at the end of the process another second.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_on:
            gc.enable()


def _import_quietly() -> None:
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        import tensorflow  # noqa: F401

        return
    # Below level 3, every start on a machine without a GPU prints an error about CUDA.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        except Exception:
            held_back.seek(0)
            os.write(stderr, held_back.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
