"""From where a run begins: from nothing, from its own checkpoint, or from another run's."""

import dataclasses
import functools
import io
import json
from pathlib import Path

import numpy as np

from pipelines.runtime import console
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import Manifest
from trainer.checkpoint import Checkpoint, DamagedCheckpointError, read_checkpoint
from trainer.checkpoint_files import DIRECTORY, checkpoints_in, newest_whole
from trainer.config import TrainConfig
from trainer.loop import Loop
from trainer.run_directory import config_in, is_finished
from trainer.run_state import RunState
from trainer.same_run import differences, why_not_extended


@dataclasses.dataclass(frozen=True)
class Start:
    """What a run is to do.

    Attributes:
        checkpoint: What it goes on from; None to begin with step 0.
        is_finished: Whether there is nothing left to do.
        source: Where the checkpoint is from, for the reader.
    """

    checkpoint: Checkpoint | None = None
    is_finished: bool = False
    source: str = ""

    @functools.cached_property
    def state(self) -> RunState:
        """Where the run stands; it is moved on."""
        return self.checkpoint.state if self.checkpoint else RunState()

    @property
    def best(self) -> list[np.ndarray]:
        """The evaluated weights of its best epoch, if they are kept."""
        return self.checkpoint.best if self.checkpoint else []

    def to_bytes(self) -> bytes:
        """All of it, for other processes."""
        stream = io.BytesIO()
        head = {"is_finished": self.is_finished, "source": self.source}
        stream.write(json.dumps(head).encode() + b"\n")
        if self.checkpoint is not None:
            self.checkpoint.write(stream)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Start":
        """What `to_bytes` made `data` of."""
        head, _, rest = data.partition(b"\n")
        checkpoint = read_checkpoint(io.BytesIO(rest)) if rest else None
        return cls(checkpoint, **json.loads(head))


def find_start(
    config: TrainConfig, run_dir: Path, manifest: Manifest, steps: int, workers: int = 1
) -> Start:
    """Looks for what a run can go on from, and whether that is the same run.

    Args:
        config: The run's choices.
        run_dir: Locked by this process.
        manifest: Of the data.
        steps: In an epoch.
        workers: That train together.

    Raises:
        InputError: if what is there is another run, or is not to be gone on with.
    """
    held = config_in(run_dir)
    if held is None:
        return _begun_elsewhere(config, manifest, steps, workers)
    if config.resume == "never":
        raise InputError(
            f"received --run_dir={run_dir}, which holds a run already, with --resume=never, "
            "expected a new or empty directory; choose another name, or leave --resume out to go "
            "on with that run."
        )
    _check_flags(config, held, run_dir)
    checkpoint = newest_whole(run_dir / DIRECTORY, console.warn)
    if checkpoint is not None:
        _check_data(config, checkpoint, run_dir, manifest)
    if is_finished(run_dir) and held["epochs"] == config.epochs:
        return Start(is_finished=True)
    if checkpoint is None and is_finished(run_dir):
        raise InputError(
            f"received --epochs={config.epochs} for {run_dir}, a finished run of {held['epochs']} "
            "epochs without a whole checkpoint, expected one to go on from; choose another "
            "--run_dir."
        )
    unreadable = checkpoints_in(run_dir / DIRECTORY) if checkpoint is None else []
    if unreadable:
        raise InputError(
            f"received --run_dir={run_dir}, whose {console.counted(len(unreadable), 'checkpoint')} "
            "cannot be read, expected a whole one to go on from; put one back, move them away to "
            "begin anew, or choose another --run_dir."
        )
    if checkpoint is None:  # it ended before its first one was whole
        return _begun_elsewhere(config, manifest, steps, workers)
    _check_course(config, checkpoint, run_dir, steps, workers)
    return Start(checkpoint, source=str(run_dir))


def restore(loop: Loop, checkpoint: Checkpoint) -> None:
    """Gives the loop the checkpoint's values.

    Raises:
        InputError: if they are another model's.
    """
    values = loop.state()
    for name, value in values.items():
        saved = checkpoint.arrays.get(name)
        if saved is None and name.startswith("loss_scale/"):
            continue  # it was in another precision
        shape = None if saved is None else saved.shape
        if saved is None or shape != value.shape:
            raise InputError(
                f"received a checkpoint of another model, in which {name} has the shape {shape}, "
                f"expected {value.shape}; go on with the version of this program that wrote it, or "
                "choose another --run_dir."
            )
        values[name] = saved
    loop.restore(values)


def _begun_elsewhere(config: TrainConfig, manifest: Manifest, steps: int, workers: int) -> Start:
    if config.resume in ("auto", "never"):
        return Start()
    path = Path(config.resume).expanduser()
    try:
        if path.is_dir():
            inner = path / DIRECTORY
            checkpoint = newest_whole(inner if inner.is_dir() else path, console.warn)
        else:
            checkpoint = read_checkpoint(path)
    except (DamagedCheckpointError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"received --resume={config.resume}, which cannot be read ({reason}), expected auto, "
            "never, a run directory or a checkpoint; choose another."
        ) from error
    if checkpoint is None:
        raise InputError(
            f"received --resume={config.resume}, where there is no whole checkpoint, expected a "
            "run directory or a checkpoint; choose another."
        )
    _check_flags(config, checkpoint.config, path)
    _check_data(config, checkpoint, path, manifest)
    _check_course(config, checkpoint, path, steps, workers)
    return Start(checkpoint, source=str(path))


def _check_flags(config: TrainConfig, held: dict, place: Path) -> None:
    changed = differences(held, config)
    if changed:
        raise InputError(
            f"received other flags than those of the run in {place}: {'; '.join(changed)}; "
            "expected the same to go on with it: use those, or choose another --run_dir."
        )


def _check_data(
    config: TrainConfig, checkpoint: Checkpoint, place: Path, manifest: Manifest
) -> None:
    if checkpoint.class_names != manifest.class_names:
        raise InputError(
            f"received the classes {', '.join(manifest.class_names)} in {config.data_dir}, but "
            f"{', '.join(checkpoint.class_names)} in the run in {place}, expected the same; use "
            "that run's --data_dir, or choose another --run_dir."
        )
    if checkpoint.data != manifest.fingerprint:
        raise InputError(
            f"received other data in {config.data_dir} than those of the run in {place} "
            f"(fingerprint {manifest.fingerprint[:12]} instead of {checkpoint.data[:12]}), "
            "expected the same; use that run's --data_dir, or choose another --run_dir."
        )


def _check_course(
    config: TrainConfig, checkpoint: Checkpoint, place: Path, steps: int, workers: int
) -> None:
    """Whether the steps so far are those that such a run would have taken."""
    before = checkpoint.world["workers"]
    if config.shard_by == "file" and before != workers:
        raise InputError(
            f"received {workers} workers with --shard_by=file for the run in {place}, which had "
            f"{before}, expected as many, since each reads shards of its own; start as many, or "
            "choose another --run_dir."
        )
    why = why_not_extended(checkpoint.config, config, checkpoint.state, steps)
    if why:
        raise InputError(
            f"received --epochs={config.epochs} for the run in {place}, begun with "
            f"--epochs={checkpoint.config['epochs']}, expected the same ({why}); use that, or "
            "choose another --run_dir."
        )
