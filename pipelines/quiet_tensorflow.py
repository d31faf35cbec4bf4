"""Imports TensorFlow without the messages of its start.

Commands call this when they know that they will need TensorFlow, and not before: the import takes
seconds, for which a wrong flag or a missing folder need not wait.
"""

import os
import sys
import tempfile


def import_tensorflow() -> None:
    """Imports TensorFlow; a log level that the user has set stays, and then nothing is hidden.

    What its libraries print before they read their log level goes straight to file descriptor 2.
    That is put back right after the import, and what was held back is shown if the import fails,
    though not if the user stops it.
    """
    if "tensorflow" in sys.modules or "TF_CPP_MIN_LOG_LEVEL" in os.environ:
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
