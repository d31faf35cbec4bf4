"""What `training_peers.py` has measured in a process of its own.

usage: python -m benchmarks.training_rates step NAME PRECISION IMAGES DATA_DIR STEPS
       python -m benchmarks.training_rates epochs NAME PRECISION IMAGES EPOCHS SEED

NAME is ours (step only), keras, pytorch or pytorch_passive; PRECISION float32 or mixed_bfloat16;
IMAGES a folder with the class folders of train and test; DATA_DIR a set with the same classes. The
first prints the mean seconds of a step; the second a line an epoch, as `training_course.tell_epoch`
has it.
"""

import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.input_rates import BATCH_SIZE, IMAGE_SIZE
from benchmarks.training_course import OURS

WARM_UP_STEPS = 20  # functions are compiled, memory is taken, libraries choose their kernels
PEERS = {"keras": "benchmarks.keras_peer", "pytorch": "benchmarks.pytorch_peer"}
PEERS["pytorch_passive"] = PEERS["pytorch"]


def main() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    what, name, precision, images, *rest = sys.argv[1:]
    if name == "pytorch_passive":
        os.environ["OMP_WAIT_POLICY"] = "passive"  # before PyTorch is imported, which reads it
    if what == "epochs":
        epochs, seed = map(int, rest)
        import_module(PEERS[name]).train(Path(images), precision, epochs, seed)
    else:
        data_dir, steps = rest
        print(_step_seconds(name, precision, Path(images), Path(data_dir), int(steps)))


def _step_seconds(name: str, precision: str, images: Path, data_dir: Path, steps: int) -> float:
    """The mean of so many steps, all on one batch of noise that is in memory."""
    import numpy as np

    classes = len(list((images / "train").iterdir()))
    random = np.random.default_rng(0)
    batch = (
        random.random((BATCH_SIZE, IMAGE_SIZE, IMAGE_SIZE, 3), np.float32),
        random.integers(0, classes, BATCH_SIZE),
    )
    if name == "ours":
        step = _our_step(precision, data_dir, *batch)
    else:
        step = import_module(PEERS[name]).training_step(precision, *batch, classes)
    for _ in range(WARM_UP_STEPS):
        step()
    # On a CPU a step is over when its call returns, with TensorFlow and with PyTorch.
    begun = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - begun) / steps


def _our_step(precision: str, data_dir: Path, images: Any, labels: Any) -> Callable[[], object]:
    """All that the trainer has TensorFlow do in a step."""
    from pipelines.runtime.tensorflow_runtime import keep_freed_memory

    keep_freed_memory()  # as the command does
    import tensorflow as tf

    from pipelines.tfrecords.manifest import load_manifest
    from trainer.config import TrainConfig
    from trainer.loop_setup import make_loop

    config = TrainConfig(precision=precision, **OURS)
    strategy = tf.distribute.get_strategy()
    loop = make_loop(config, strategy, load_manifest(data_dir), steps=1000)
    batch = tf.constant(images), tf.constant(labels)
    progress = loop.begin(0)

    def step() -> None:
        nonlocal progress
        progress = loop.train(batch, 1, progress)

    return step


if __name__ == "__main__":
    main()
