"""Everything that a resumed run needs, and its file.

The file is NumPy's .npz. One file is whole or not there, once it is written under another name and
renamed; a zip archive has a CRC-32 of each entry, so that a flipped bit is noticed; and one process
can write it alone, while TensorFlow's checkpoints have all workers write.
"""

import contextlib
import dataclasses
import errno
import io
import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from trainer.run_state import RunState

FORMAT_VERSION = 2
_META = "meta.json"


class DamagedCheckpointError(ValueError):
    """A file that is no whole checkpoint of this format; the message says why."""


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A run at some step.

    Attributes:
        state: Where it stands.
        arrays: The values of all variables, as `trainer.loop.Loop.state` gives them.
        best: The evaluated weights of `state.best_epoch`, if they are to be kept.
        config: The flags of the run.
        data: The fingerprint of the manifest.
        class_names: In label order.
        world: What may differ in a run that goes on: 'workers', 'replicas' and 'precision'.
    """

    state: RunState
    arrays: dict[str, np.ndarray]
    best: list[np.ndarray]
    config: dict[str, Any]
    data: str
    class_names: tuple[str, ...]
    world: dict[str, Any]

    def write(self, stream: IO[bytes]) -> None:
        """Writes the file."""
        arrays = {f"variables/{name}": array for name, array in self.arrays.items()}
        arrays |= {f"best/{number:03}": array for number, array in enumerate(self.best)}
        meta = {
            "format_version": FORMAT_VERSION,
            # A zip archive's table of contents has no checksum of its own.
            "entries": list(arrays),
            "state": dataclasses.asdict(self.state),
            "config": self.config,
            "data": self.data,
            "class_names": self.class_names,
            "world": self.world,
        }
        text = np.frombuffer(json.dumps(meta).encode(), np.uint8)
        entries: dict[str, Any] = {_META: text, **arrays}
        np.savez(stream, **entries)


def read_checkpoint(file: str | os.PathLike[str] | IO[bytes]) -> Checkpoint:
    """Reads a checkpoint, every byte of it.

    Raises:
        DamagedCheckpointError: if it is not as it was written, or of another format.
        OSError: if it cannot be read.
    """
    with _damage_named():
        entries = _read_entries(file)
        meta = _checked_meta(entries.pop(_META))
        if meta["entries"] != list(entries):
            raise DamagedCheckpointError("its table of contents lacks some")
        return Checkpoint(
            state=RunState.from_dict(meta["state"]),
            arrays=_group(entries, "variables/"),
            best=list(_group(entries, "best/").values()),
            config=meta["config"],
            data=meta["data"],
            class_names=tuple(meta["class_names"]),
            world=meta["world"],
        )


def read_meta(file: str | os.PathLike[str] | IO[bytes]) -> dict[str, Any]:
    """What a checkpoint says of its run, without its arrays: a thousandth of its bytes.

    Returns:
        The fields of `Checkpoint` but for `arrays` and `best`, in types that JSON has.

    Raises:
        DamagedCheckpointError: if that part is not as it was written, or of another format.
        OSError: if it cannot be read.
    """
    with _damage_named(), zipfile.ZipFile(file) as archive:
        return _checked_meta(_read_entry(archive, f"{_META}.npy"))


def _checked_meta(text: np.ndarray) -> dict[str, Any]:
    meta = json.loads(text.tobytes())
    version = meta["format_version"]
    if version != FORMAT_VERSION:
        raise DamagedCheckpointError(f"it has format {version}, not {FORMAT_VERSION}")
    return meta


@contextlib.contextmanager
def _damage_named() -> Iterator[None]:
    """Raises a `DamagedCheckpointError` for whatever reading bytes that are not theirs raises."""
    try:
        yield
    # What zipfile, NumPy and json raise; zipfile has a RuntimeError for entries that say they are
    # encrypted, and for kinds of entries that it does not know.
    except (
        zipfile.BadZipFile,
        zlib.error,
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        RuntimeError,
    ) as e:
        raise DamagedCheckpointError(" ".join(str(e).split()) or type(e).__name__) from e
    except OSError as e:
        if e.errno != errno.EINVAL:  # which is a place before the file's beginning
            raise
        raise DamagedCheckpointError("its table of contents is damaged") from e


def _read_entries(file: str | os.PathLike[str] | IO[bytes]) -> dict[str, np.ndarray]:
    # Not with `np.load`: it reads as much as an entry's header says, and where that is damaged,
    # stops before the end, where zipfile compares the checksum.
    with zipfile.ZipFile(file) as archive:
        return {
            name.removesuffix(".npy"): _read_entry(archive, name) for name in archive.namelist()
        }


def _read_entry(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    return np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)


def checkpoint_name(step: int) -> str:
    """The name of the file of that step; names sort as their steps do."""
    return f"step-{step:010}.npz"


def step_of(path: Path) -> int:
    """The step in a checkpoint's file name."""
    return int(path.stem.partition("-")[2])


def _group(entries: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): array
        for name, array in entries.items()
        if name.startswith(prefix)
    }
