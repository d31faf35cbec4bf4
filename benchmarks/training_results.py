"""What a training came to: the tutorial's procedure's last line, and our run directory."""

import csv
import json
from pathlib import Path
from typing import Any

from pipelines.tfrecords.record import scan_records

TARGET = 0.97

Evaluations = list[tuple[float, float]]  # Unix time and accuracy, in order


def of_procedure(output: str, started: float) -> dict[str, Any]:
    """What `benchmarks.tutorial_procedure` printed that was started at the Unix time `started`."""
    told = json.loads(output.splitlines()[-1])
    evaluations = [
        (told["began"] + epoch["seconds"], epoch["accuracy"]) for epoch in told["epochs"]
    ]
    return {
        "seconds_to_target": seconds_to_target(evaluations, started),
        "accuracy": told["accuracy"],
        "macro_f1": told["macro_f1"],
        "recall": told["recall"],
    }


def of_run(run_dir: Path, started: float) -> dict[str, Any]:
    """What the directory of a run says that was started at the Unix time `started`."""
    report = json.loads((run_dir / "report.json").read_text(encoding="utf-8"))
    return {
        "seconds_to_target": seconds_to_target(evaluations_in(run_dir), started),
        "accuracy": report["accuracy"],
        "macro_f1": report["macro_f1"],
        "recall": {name: figures["recall"] for name, figures in report["per_class"].items()},
    }


def evaluations_in(run_dir: Path) -> Evaluations:
    """Those of the test split, by `history.csv`; the event files say when each was written."""
    # The message alone: TensorFlow would take seconds to import.
    from tensorboard.compat.proto.event_pb2 import Event

    times = {}
    for path in (run_dir / "test").glob("*.tfevents.*"):
        with path.open("rb") as stream:
            for record in scan_records(stream, path.stat().st_size):
                event = Event.FromString(record)
                if any(value.tag == "accuracy" for value in event.summary.value):
                    times[event.step] = event.wall_time
    with (run_dir / "history.csv").open(encoding="utf-8") as file:
        return [
            (times[int(row["step"])], float(row["eval_accuracy"])) for row in csv.DictReader(file)
        ]


def seconds_to_target(evaluations: Evaluations, started: float) -> float | None:
    """From `started` to the first evaluation that came to the target; None for none."""
    return next((at - started for at, accuracy in evaluations if accuracy >= TARGET), None)
