"""A worker without TensorFlow: it joins the others and does what it is told on its stdin."""

import dataclasses
import sys

from pipelines.runtime import command
from pipelines.runtime.command import option
from pipelines.runtime.errors import InputError
from trainer.workers import peers
from trainer.workers.cluster import Cluster


@dataclasses.dataclass(frozen=True)
class WorkerConfig:
    addresses: tuple[str, ...] = option((), "Of all workers.", group="Worker")
    index: int = option(0, "Of this one.", group="Worker")
    worker_timeout: float = option(60.0, "In seconds.", group="Worker")
    seconds_of_silence: float = option(60.0, "After which a worker is given up.", group="Worker")
    seconds_to_leave: float = option(0.3, "For the main thread.", group="Worker")


class UnavailableError(Exception):
    """As TensorFlow raises it where another worker is lost."""

    __module__ = "tensorflow.python.framework.errors_impl"


ERRORS = {
    "input error": InputError("received NaN, expected a number; lower --learning_rate."),
    "bug": ValueError("boom"),
    "lost": UnavailableError("Collective ops is aborted by: Socket closed"),
}


def main(config: WorkerConfig) -> None:
    peers._SECONDS_OF_A_BEAT = 0.1
    peers._SECONDS_OF_SILENCE = config.seconds_of_silence
    peers._SECONDS_TO_LEAVE = config.seconds_to_leave
    cluster = Cluster(config.addresses, config.index)
    with peers.joined(
        cluster,
        timeout=config.worker_timeout,
        must_agree={},
        before_exit=lambda: print("finished", flush=True),
    ):
        print("joined", flush=True)
        # As a main thread that waits inside TensorFlow, it hears nothing from the other workers.
        told = sys.stdin.readline().strip()
        if told != "end":
            raise ERRORS[told]
        print("done", flush=True)
    print("left", flush=True)


if __name__ == "__main__":
    command.run(main, WorkerConfig)
