"""The report of an evaluation: that of a run, and what has to be said of the data."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from pipelines.runtime.console import first_lines, printable
from pipelines.tfrecords.manifest import Rejected
from trainer.asking.asked_data import AskedData, SourceData, StoredData
from trainer.asking.asked_model import AskedModel
from trainer.judging.judged import Judged
from trainer.model_description import ModelDescription
from trainer.report import Report, make_report

_TRAINED_ON = (
    "the model was trained on these images: this is how well it remembers them, and says little of "
    "others"
)
_CHOSEN_BY = "the model's weights were chosen by these images: others may do worse"
_UNKNOWN = "whether any of these images are among those that the model was trained on is not known"


def evaluation_report(
    asked: AskedModel,
    judged: Judged,
    data: AskedData,
    left_out: Sequence[Rejected],
    run_config: dict[str, Any],
) -> Report:
    """Makes the report.

    Args:
        asked: What was asked.
        judged: Its answers.
        data: What it was asked about.
        left_out: The images that could not be decoded.
        run_config: The flags of the run.
    """
    report = make_report(judged)
    description = asked.trained.description
    notes = [asked.note] if asked.note else []
    notes += _of_data(data, description, run_config)
    skipped = [(printable(one.file_name), one.reason) for one in left_out]
    parts = [report.text, *(f"note: {note}." for note in notes)]
    if skipped:
        head = f"left out, since they cannot be decoded: {len(skipped)}"
        parts.append("\n".join([head, *first_lines([f"{n}: {why}" for n, why in skipped])]))
    values = {
        **report.values,
        "run_dir": printable(str(asked.trained.run_dir)),
        "model_sha256": description.sha256,
        **data.identity,
        "notes": notes,
        "left_out": [{"file_name": name, "reason": why} for name, why in skipped],
    }
    return dataclasses.replace(report, text="\n\n".join(parts), values=values)


def _of_data(
    data: AskedData, description: ModelDescription, run_config: dict[str, Any]
) -> list[str]:
    if isinstance(data, SourceData):
        return [_UNKNOWN]
    notes = []
    if data.manifest.fingerprint != description.data_fingerprint:
        notes.append(_UNKNOWN)
    elif data.split == "train":
        notes.append(_TRAINED_ON)
    elif data.split == "validation" and _has_chosen(run_config):
        notes.append(_CHOSEN_BY)
    return notes + _of_decoding(data, description)


def _has_chosen(run_config: dict[str, Any]) -> bool:
    return bool(run_config.get("keep_best")) or run_config.get("early_stopping") is not None


def _of_decoding(data: StoredData, description: ModelDescription) -> list[str]:
    if description.decode_ratio == 1 or data.manifest.encoding != "raw":
        return []
    return [
        f"the model was trained with --decode_ratio={description.decode_ratio}, but these data are "
        "pixels of images that were decoded whole"
    ]
