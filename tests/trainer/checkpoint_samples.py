"""Small checkpoints with every kind of value that a run's has."""

import dataclasses
import io

import numpy as np

from trainer.checkpoint import Checkpoint, read_checkpoint
from trainer.config import TrainConfig
from trainer.history import EpochRecord, EvalMetrics, TrainMetrics
from trainer.run_state import RunState

NAN, INF = float("nan"), float("inf")


def record(epoch=1, loss=0.5, step=None):
    train = TrainMetrics(0.1 + 0.2, NAN, INF, 700.0, 0.0, -0.0)
    return EpochRecord(epoch, step or 4 * epoch, train, EvalMetrics(loss, 1.0, [1.0, 0.5]))


def sample(step=6, **changes):
    """A checkpoint of a few kB."""
    values = {
        "state": RunState(step, [NAN, -INF, 1 / 3, 2.0], 0.1, 0.2, 1e9, [record()]),
        "arrays": {
            "model/000": np.array([[1.5, -0.0], [NAN, INF]], np.float32),
            "model/001": np.arange(6, dtype=np.float32) / 7,
            "model/002": np.array([1, 2**32 - 1], np.uint32),
            "optimizer/000": np.array(2**62 + 1),
        },
        "best": [np.array([0.1, 0.2], np.float32), np.zeros((0, 3), np.float32)],
        "config": {"epochs": 14, "run_dir": None},
        "data": "0123abcd" * 8,
        "class_names": ("a", "\u00e9"),
        "world": {"workers": 1, "replicas": 2, "precision": "float32"},
    }
    return Checkpoint(**{**values, **changes})


def of_run(config: TrainConfig, manifest, step: int, *, epochs_done: int = 0, steps: int = 4):
    """What a run of these flags would have saved after a step."""
    records = [record(epoch, step=epoch * steps) for epoch in range(1, epochs_done + 1)]
    return sample(
        state=RunState(step=step, records=records),
        config=config.as_json(),
        data=manifest.fingerprint,
        class_names=manifest.class_names,
    )


def as_bytes(checkpoint: Checkpoint) -> bytes:
    stream = io.BytesIO()
    checkpoint.write(stream)
    return stream.getvalue()


def content(checkpoint: Checkpoint) -> str:
    """All of it, to the last bit: equal texts mean equal checkpoints."""

    def exact(arrays):
        return [(name, a.dtype.str, a.shape, a.tobytes()) for name, a in arrays]

    fields = {f.name: getattr(checkpoint, f.name) for f in dataclasses.fields(checkpoint)}
    fields["arrays"] = exact(checkpoint.arrays.items())
    fields["best"] = exact(enumerate(checkpoint.best))
    return repr(fields)


def read_bytes(data: bytes) -> Checkpoint:
    return read_checkpoint(io.BytesIO(data))
