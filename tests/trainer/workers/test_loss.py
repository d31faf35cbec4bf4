"""What TensorFlow 2.21 was seen to raise in a worker when another one was lost."""

import pytest
import tensorflow as tf

from trainer.workers.loss import lost_worker, may_tell_of_loss

HEAD = "Graph execution error:\n\nDetected at node Sum\n\nCollective ops is aborted by:"
SEEN = {
    "worker 1 was killed": (
        tf.errors.UnavailableError,
        f"{HEAD} recvmsg:Connection reset by peer\nAdditional GRPC error information from remote "
        "target /job:worker/replica:0/task:1 while calling /tensorflow.WorkerService/RecvBuf:\n",
        {0: 1, 2: 1},
    ),
    "worker 1 stopped answering": (
        tf.errors.UnavailableError,
        f"{HEAD} Error reported from /job:worker/task:1: The following tasks are unhealthy "
        "(stopped sending heartbeats):\n/job:worker/replica:0/task:1\nThe tasks have crashed.",
        {0: 1, 2: 1},
    ),
    "the chief stopped answering": (
        tf.errors.DeadlineExceededError,
        f"{HEAD} Deadline Exceeded\n\nRPC: /tensorflow.CoordinationService/Heartbeat",
        {0: None, 1: 0},
    ),
    "an operation failed on worker 1": (
        tf.errors.InvalidArgumentError,
        f"{HEAD} Incompatible shapes: [2] vs. [3]",
        {0: None, 2: None},
    ),
}


@pytest.mark.parametrize("seen", SEEN)
def test_the_loss_of_another_worker(seen):
    kind, message, lost = SEEN[seen]
    error = kind(None, None, message)
    assert may_tell_of_loss(error)
    assert {index: lost_worker(error, index) for index in lost} == lost


@pytest.mark.parametrize(
    "error",
    [
        ValueError("Collective ops is aborted"),
        tf.errors.InvalidArgumentError(None, None, "on /job:worker/replica:0/task:0/device:CPU:0"),
        tf.errors.ResourceExhaustedError(None, None, "OOM on /job:worker/task:1/device:GPU:0"),
        KeyboardInterrupt(),
    ],
)
def test_other_errors(error):
    assert not may_tell_of_loss(error)
