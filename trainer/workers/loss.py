"""What is said of a worker that was lost, and what TensorFlow's errors say of it."""

import re

from pipelines.runtime.errors import InputError
from trainer.workers.cluster import Cluster

_EXPECTED = "expected all workers to go on to the end"

# The classes that it raises in the other workers, as seen with TensorFlow 2.21; they may have other
# causes, too.
_CLASSES = {"AbortedError", "CancelledError", "DeadlineExceededError", "UnavailableError"}
_SIGNS = ("collective ops is aborted", "coordination service", "coordinationservice")


def may_tell_of_loss(error: BaseException) -> bool:
    """Whether an error looks as if another worker were its cause."""
    kind = type(error)
    if not kind.__module__.startswith("tensorflow."):
        return False
    text = str(error).lower()
    return kind.__name__ in _CLASSES or any(sign in text for sign in _SIGNS)


def lost_worker(error: BaseException, own_index: int) -> int | None:
    """The index of the worker that an error names, or None.

    Args:
        error: For which `may_tell_of_loss`.
        own_index: Of this worker, whose own devices are in such messages, too.
    """
    text = str(error)
    others = [int(index) for index in re.findall(r"/task:(\d+)", text) if int(index) != own_index]
    if others:
        return others[0]
    # The chief is where the coordination service runs.
    return 0 if own_index and "coordination" in text.lower() else None


def loss_of(cluster: Cluster, index: int, how: str) -> str:
    """The line that ends all workers when another one was seen to be gone.

    Args:
        cluster: Who they are.
        index: Of the one that is lost.
        how: What was seen of it.
    """
    return (
        f"received the loss of {cluster.name(index)}: {how}, {_EXPECTED}; see what it said last, "
        "and start all workers again."
    )


def loss_by(cluster: Cluster, error: BaseException) -> str:
    """The line that ends all others when this worker fails with an error, or a signal stops it."""
    loss = f"received the loss of {cluster.name(cluster.index)}"
    if isinstance(error, InputError):
        return f"{loss}, which says: {error}"
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return f"{loss}: a signal stopped it, {_EXPECTED}; start all workers again."
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return f"{loss}: {reason}, {_EXPECTED}; see its traceback, and start all workers again."
