"""A run as a row of TensorBoard's table HPARAMS."""

import dataclasses
from typing import Any

import tensorflow as tf
from tensorboard.plugins.hparams import api_pb2, summary

from trainer.comparison.flags import is_silent
from trainer.config import TrainConfig
from trainer.history import EpochRecord
from trainer.report import Report


def hparams_of(config: TrainConfig, world: dict[str, Any]) -> dict[str, bool | int | float | str]:
    """The flags that matter, by name, and what else tells runs apart.

    Args:
        config: The run's choices; flags that are not given are left out.
        world: What else decides how it goes, by name; it goes before a flag of that name.
    """
    values = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(TrainConfig)
        if not is_silent(field.name)
    }
    given = {name: value for name, value in {**values, **world}.items() if value is not None}
    return {
        name: value if isinstance(value, bool | int | float) else str(value)
        for name, value in given.items()
    }


def write_session_start(name: str, hparams: dict[str, bool | int | float | str]) -> None:
    """Begins a row.

    Args:
        name: Of the run, by which the table knows rows apart.
        hparams: Its columns.
    """
    _write(summary.session_start_pb(hparams, group_name=name))


def write_result(report: Report, reported: EpochRecord) -> None:
    """Writes the figures by which finished runs are compared.

    Args:
        report: On the test split.
        reported: Of the epoch whose weights it is about.
    """
    values = report.values
    result = {
        "accuracy": values["accuracy"],
        "macro_f1": values["macro_f1"],
        "eval_loss": reported.eval.loss,
        "seconds": values["train_seconds"],
        "images_per_second": values["images_per_second"],
    }
    for name, value in result.items():
        # Early in the alphabet: the table at first shows the first five figures that there are.
        tf.summary.scalar(f"final/{name}", value)


def write_session_end(is_done: bool) -> None:
    """Says that the run is over: done, or left off before its end."""
    status = api_pb2.STATUS_SUCCESS if is_done else api_pb2.STATUS_FAILURE
    _write(summary.session_end_pb(status))


def _write(pb: Any) -> None:
    tf.summary.experimental.write_raw_pb(pb.SerializeToString(), step=0)
