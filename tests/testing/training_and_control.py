"""`trainer.main` with a small network, and then again from `nudged` weights.

RUN_DIR is the run, RUN_DIR-control the other one, and RUN_DIR-start.npz has the weights before.
"""

import dataclasses
from typing import Any

import numpy as np

from pipelines.runtime import command, tensorflow_runtime
from tests.small_network import build_small
from tests.testing.rounding import nudged_state
from trainer.config import TrainConfig


def main(config: TrainConfig) -> None:
    tensorflow_runtime.import_tensorflow()
    from trainer import loop_setup, train

    loop_setup.build_model = build_small
    make_loop = train.make_loop

    def noted(*args: Any) -> Any:
        loop = make_loop(*args)
        np.savez(f"{config.run_dir}-start.npz", *loop.model.get_weights())
        return loop

    def moved(*args: Any) -> Any:
        loop = make_loop(*args)
        loop.restore(nudged_state(loop.state()))
        return loop

    for make, name in ((noted, ""), (moved, "-control")):
        train.make_loop = make
        train.train(dataclasses.replace(config, run_dir=f"{config.run_dir}{name}"))


if __name__ == "__main__":
    command.run(main, TrainConfig)
