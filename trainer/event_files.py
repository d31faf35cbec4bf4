"""Cuts TensorBoard's event files back to the step from which a run goes on."""

from pathlib import Path

import tensorflow as tf

from pipelines.records import DamagedRecordError, frame_record, scan_records

_UNFINISHED = ".cut.tmp"


def cut_events(run_dir: Path, step: int) -> None:
    """Takes all events after `step` out of the event files of a run.

    What a run wrote after its last checkpoint is written again when it goes on from there. Files
    that lose nothing are not touched. A last event that was written in part goes, too.

    Args:
        run_dir: The run directory.
        step: The last step that stays: of the last epoch that is not evaluated again.
    """
    for unfinished in run_dir.glob(f"*/*{_UNFINISHED}"):
        unfinished.unlink()
    for path in sorted(run_dir.glob("*/*.tfevents.*")):
        with path.open("rb") as stream:
            found = list(scan_records(stream, path.stat().st_size))
        kept = [
            record
            for record in found
            if not isinstance(record, DamagedRecordError)
            and tf.compat.v1.Event.FromString(record).step <= step
        ]
        if len(kept) < len(found):
            # A name that does not look like an event file's, or TensorBoard would read it, too.
            unfinished = path.with_name(path.name.replace(".tfevents.", ".") + _UNFINISHED)
            unfinished.write_bytes(b"".join(map(frame_record, kept)))
            unfinished.replace(path)
