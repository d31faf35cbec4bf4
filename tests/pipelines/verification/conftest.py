from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipelines.verification.pets import found_in, told, write_set


@pytest.fixture
def find(note_fault: Callable) -> Callable[..., list[tuple[str, int | None, str]]]:
    """What is found in a damaged set: file, record, problem; a row of the table of faults.

    The fault is called `fault`, else as the test.
    """

    def find(directory: Path, fault: str = "") -> list[tuple[str, int | None, str]]:
        happened = note_fault("damaged set", fault)
        found = found_in(directory)
        happened(told(found))
        return found

    return find


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """A finished set: two shards for training and one for the test, of six records each."""
    return write_set(tmp_path / "pets")
