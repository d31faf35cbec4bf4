"""Two conversions into one directory at once: one whole set, and a line from who is late."""

import os
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest


class Pair(NamedTuple):
    """Two writers.

    Attributes:
        first: Flags of one.
        second: Flags of the other.
        earlier: Whether set 0 is there before.
        wanted: What may be there afterwards.
        may_fail: How many of the two may be refused.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    earlier: bool
    wanted: set[str]
    may_fail: int


PAIRS = {
    "of the same set": Pair((), (), False, {"set 0"}, 1),
    "of two sets": Pair((), ("--seed=1",), False, {"set 0", "set 1"}, 1),
    "who replace": Pair(
        ("--overwrite", "--seed=1"), ("--overwrite", "--seed=2"), True, {"set 1", "set 2"}, 0
    ),
    "of whom one replaces": Pair(("--overwrite", "--seed=1"), (), True, {"set 1"}, 1),
}
REPEATS = 5
# Where the first writer is halted, and until when: the second has ended, or waits for its lock.
HALTS = {
    "": "",
    "after os.mkdir .set.tmp-": "fcntl.flock",
    ".tfrecord-00001-": "",
    "os.rename .set.tmp-": "fcntl.flock",  # an earlier set is aside then
    "after os.rename set": "fcntl.flock",
}


class End(NamedTuple):
    """What came of two writers.

    Attributes:
        statuses: With which they ended, in ascending order.
        lines: How many they printed as errors, likewise.
        state: Of the set, as `Forks.state` tells it.
        there: What is in the folder of the set.
    """

    statuses: list[int]
    lines: list[int]
    state: str
    there: list[str]


def _write_both(forks, base: Path, pair: Pair, **halt) -> End:
    """Has both write, the first of them halting where `halt` says."""
    if pair.earlier:
        forks.put(0, base / "set")
    outcomes = forks.run_together(
        forks.job(base / "set", *pair.first, **halt), forks.job(base / "set", *pair.second)
    )
    statuses = sorted(outcome.status for outcome in outcomes)
    lines = sorted(len(outcome.errors.splitlines()) for outcome in outcomes)
    return End(statuses, lines, forks.state(base / "set"), os.listdir(base))


def _told(ends: Sequence[End]) -> str:
    counts = Counter("status {} and {}, {}".format(*end.statuses, end.state) for end in ends)
    return "; ".join(f"{count} x {what}" for what, count in sorted(counts.items()))


@pytest.mark.parametrize("case", PAIRS)
def test_at_once(case, forks, tmp_path, note_fault):
    happened = note_fault("interruption", f"two writers {case}")
    pair = PAIRS[case]
    ends = [_write_both(forks, tmp_path / f"{n}", pair) for n in range(REPEATS)]
    happened(_told(ends))
    for end in ends:
        assert end.statuses in ([0, 0], [0, pair.may_fail]) and end.lines == end.statuses
        assert end.state in pair.wanted and end.there == ["set"]


@pytest.mark.parametrize("case", PAIRS)
def test_one_halts_while_the_other_works(case, forks, tmp_path, note_fault):
    happened = note_fault("interruption", f"two writers {case}; one halts")
    pair = PAIRS[case]
    ends = [
        _write_both(forks, tmp_path / f"{n}", pair, signal=signal.SIGSTOP, at=at, until=until)
        for n, (at, until) in enumerate(HALTS.items())
    ]
    happened(_told(ends))
    for end in ends:
        assert end.statuses in ([0, 0], [0, pair.may_fail]) and end.lines == end.statuses
        assert end.state in pair.wanted and end.there == ["set"]


def test_the_slower_one_is_told_that_there_is_a_set(forks, tmp_path, note_fault):
    happened = note_fault("interruption", "a set comes to be while one is written")
    halting = forks.job(tmp_path / "set", signal=signal.SIGSTOP, at=".tfrecord-")
    slower, faster = forks.run_together(halting, forks.job(tmp_path / "set", "--seed=1"))
    happened(f"status {slower.status}: is not empty (any more)")
    assert (slower.status, faster.status) == (1, 0)
    assert "is not empty (any more)" in slower.errors
    assert forks.state(tmp_path / "set") == "set 1"
