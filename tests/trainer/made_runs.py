"""Run directories made by hand, as the trainer would have left them."""

import json
from pathlib import Path

from tests.trainer.checkpoint_samples import sample
from trainer import history
from trainer.checkpoint import checkpoint_name
from trainer.config import TrainConfig
from trainer.history import EpochRecord, EvalMetrics, TrainMetrics
from trainer.model_description import ModelDescription, write_description
from trainer.run_files import HISTORY_NAME
from trainer.run_state import RunState

CLASSES = ("cats", "dogs")
STEPS = 4


def make_run(
    run_dir: Path,
    accuracies=(0.5, 0.75),
    *,
    finished=True,
    split="validation",
    data="a" * 64,
    speed=100.0,
    **flags,
) -> Path:
    """A run whose evaluated accuracy was so after each epoch, and whose loss was 1 less that."""
    run_dir.mkdir(parents=True)
    (run_dir / split).mkdir()
    config = TrainConfig(run_dir=str(run_dir), **{"epochs": len(accuracies), **flags})
    config.write(run_dir)
    records = [
        EpochRecord(
            number,
            number * STEPS,
            TrainMetrics(0.5, 0.5, 1.0, speed, 0.1, 1e-3),
            EvalMetrics(1 - accuracy, accuracy, [accuracy] * 2),
        )
        for number, accuracy in enumerate(accuracies, start=1)
    ]
    if finished:
        _finish(run_dir, config, records, data)
    elif records:
        write_checkpoint(run_dir, config, records, data)
    return run_dir


def write_checkpoint(run_dir, config, records, data):
    checkpoint = sample(
        state=RunState(step=len(records) * STEPS, records=records),
        config=config.as_json(),
        data=data,
        class_names=CLASSES,
    )
    (run_dir / "checkpoints").mkdir(exist_ok=True)
    path = run_dir / "checkpoints" / checkpoint_name(checkpoint.state.step)
    with path.open("wb") as stream:
        checkpoint.write(stream)


def _finish(run_dir, config, records, data):
    history.write_csv(run_dir / HISTORY_NAME, records, CLASSES)
    write_description(
        run_dir,
        ModelDescription(
            config.model, CLASSES, config.image_size, 1, "pets", data, "float32", 1000, 2000
        ),
    )
    report = {
        "split": "test",
        "examples": 10,
        "accuracy": 0.9,
        "macro_f1": 0.8765,
        "train_seconds": 61.4,
        "images_per_second": records[-1].train.images_per_second,
    }
    (run_dir / "report.json").write_text(json.dumps(report))
