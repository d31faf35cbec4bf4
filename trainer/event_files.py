"""Cuts TensorBoard's event files back to the step from which a run goes on."""

from pathlib import Path

import tensorflow as tf

from pipelines.tfrecords.record import DamagedRecordError, frame_record, scan_records
from trainer.summaries.writers import STEPS_DIRECTORY

_UNFINISHED = ".cut.tmp"
_EVENT_FILES = "*.tfevents.*"


def cut_events(run_dir: Path, step: int, step_within: int = 0) -> None:
    """Takes all events after `step` out of the event files of a run.

    What a run wrote after its last checkpoint is written again when it goes on from there. Files
    that lose nothing are not touched. A last event that was written in part goes, too. The files in
    the run directory itself tell of the run as a whole, and are written anew at each start: they
    go.

    Args:
        run_dir: The run directory.
        step: The last step that stays: of the last epoch that is not evaluated again.
        step_within: The same for figures of parts of epochs: the last step that is not taken again.
    """
    for unfinished in run_dir.glob(f"*/*{_UNFINISHED}"):
        unfinished.unlink()
    for path in run_dir.glob(_EVENT_FILES):
        path.unlink()
    for path in sorted(run_dir.glob(f"*/{_EVENT_FILES}")):
        last = step_within if path.parent.name == STEPS_DIRECTORY else step
        found = _records(path)
        kept = [
            record
            for record in found
            if not isinstance(record, DamagedRecordError)
            and tf.compat.v1.Event.FromString(record).step <= last
        ]
        if len(kept) < len(found):
            # A name that does not look like an event file's, or TensorBoard would read it, too.
            unfinished = path.with_name(path.name.replace(".tfevents.", ".") + _UNFINISHED)
            unfinished.write_bytes(b"".join(map(frame_record, kept)))
            unfinished.replace(path)


def steps_of(directory: Path, tag: str) -> set[int]:
    """The steps of all events in a directory's event files that have a value of this tag."""
    return {
        event.step
        for path in directory.glob(_EVENT_FILES)
        for record in _records(path)
        if not isinstance(record, DamagedRecordError)
        for event in [tf.compat.v1.Event.FromString(record)]
        if any(value.tag == tag for value in event.summary.value)
    }


def _records(path: Path) -> list[bytes | DamagedRecordError]:
    with path.open("rb") as stream:
        return list(scan_records(stream, path.stat().st_size))
