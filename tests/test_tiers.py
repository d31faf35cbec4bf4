"""The lists of tests name tests that there are."""

from pathlib import Path

import pytest

from tests.side_by_side import LONGEST
from tests.testing.quick import ALL_THE_SAME, LONG

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("entry", [*LONGEST, *LONG, *ALL_THE_SAME])
def test_every_entry_is_there(entry):
    path, _, name = entry.partition("::")
    assert (ROOT / path).exists()
    assert f"def {name.partition('[')[0]}" in (ROOT / path).read_text() if name else True


def test_what_runs_all_the_same_is_of_what_does_not():
    assert [entry for entry in ALL_THE_SAME if not entry.startswith(LONG)] == []
