"""Copies of a directory at the moments of its making: what kill -9 would leave at each of them.

A kill takes nothing back that the system has been told to write, and that is what a copy sees.
"""

import shutil
import threading
from pathlib import Path


class Snapshots:
    """Copies a directory whenever it has changed.

    Args:
        directory: What is copied.
        into: Gets a folder for each copy, named by its number.
    """

    def __init__(self, directory: str, into: str):
        self._directory, self._into = Path(directory), Path(into)
        self._lock = threading.RLock()
        self._copying = False
        self._taken: set[tuple] = set()

    def take(self, moment: str) -> None:
        """Copies the directory, if it is there and as it was at no other moment."""
        with self._lock:
            if self._copying or not self._directory.is_dir():
                return
            self._copying = True
            state = self._state()
            if state not in self._taken:
                self._taken.add(state)
                number = len(self._taken)
                shutil.copytree(self._directory, self._into / f"{number:03}" / "run")
                (self._into / f"{number:03}" / "moment").write_text(moment)
            self._copying = False

    def _state(self) -> tuple:
        """All contents; of a file under a temporary name, whether it is empty."""
        paths = sorted(path for path in self._directory.rglob("*") if path.is_file())
        return tuple(
            (str(path), path.stat().st_size > 0 if _is_temporary(path) else path.read_bytes())
            for path in paths
        )


def _is_temporary(path: Path) -> bool:
    return path.name.startswith(".unfinished-") or path.suffix == ".tmp"
