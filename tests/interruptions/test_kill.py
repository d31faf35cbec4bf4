"""kill -9 at any moment: a set is absent or whole, and the next run clears what was left."""

import functools
import os
import shutil
import signal
from collections import Counter
from pathlib import Path

KILL = signal.SIGKILL
REPLACE = ("--overwrite", "--seed=1")


def _assert_the_next_run_finishes(forks, output_dir: Path, *flags: str) -> None:
    after = forks.run(output_dir, *flags)
    assert (after.status, after.errors) == (0, "")
    assert forks.state(output_dir) == "set 1"
    assert os.listdir(output_dir.parent) == ["set"]


def test_at_every_step(forks, tmp_path, note_fault, tell):
    happened = note_fault("interruption", "kill -9 at every step")
    states: Counter[str] = Counter()
    for output_dir, killed in forks.interrupt_at_every_step(tmp_path, "--seed=1", by=KILL):
        assert killed.status == -KILL
        states[forks.state(output_dir)] += 1
        _assert_the_next_run_finishes(forks, output_dir, "--seed=1")
    happened(f"{tell(states)}; the next run clears")
    assert states.keys() == {"absent", "set 1"}


def test_at_every_step_of_a_replacement(forks, tmp_path, note_fault, tell):
    happened = note_fault("interruption", "kill -9 at every step, replacing")
    states: Counter[str] = Counter()
    for output_dir, killed in forks.interrupt_at_every_step(
        tmp_path, *REPLACE, by=KILL, before=functools.partial(forks.put, 0)
    ):
        assert killed.status == -KILL
        states[forks.state(output_dir)] += 1
        _assert_the_next_run_finishes(forks, output_dir, *REPLACE)
    happened(f"{tell(states)}; the next run clears")
    assert states.keys() == {"absent", "set 0", "set 1"}
    # Right after the first of the two renames, and right before the second.
    assert states["absent"] == 2


def test_between_the_renames_of_a_replacement(forks, tmp_path, note_fault):
    happened = note_fault("interruption", "kill -9 while neither set is in place")
    output_dir = tmp_path / "set"
    forks.put(0, output_dir)
    forks.run(output_dir, *REPLACE, signal=KILL, at="after os.rename .set.old-")
    assert forks.state(output_dir) == "absent"
    after = forks.run(output_dir)
    happened(f"the earlier set is back, status {after.status}")
    assert after.status == 0 and "already holds this very set" in after.output
    assert forks.state(output_dir) == "set 0" and os.listdir(tmp_path) == ["set"]


def test_as_the_earlier_set_is_removed(forks, tmp_path, note_fault):
    """What is half removed does not come back, not even when the new set is removed, too."""
    happened = note_fault("interruption", "kill -9 as the old set goes, and rm -r of the new")
    output_dir = tmp_path / "set"
    forks.put(0, output_dir)
    forks.run(output_dir, *REPLACE, signal=KILL, at="os.remove", nth=2)
    assert forks.state(output_dir) == "set 1" and len(os.listdir(tmp_path)) == 2
    shutil.rmtree(output_dir)
    after = forks.run(output_dir, "--seed=1")
    happened(f"the half does not come back, status {after.status}")
    assert after.status == 0
    assert forks.state(output_dir) == "set 1" and os.listdir(tmp_path) == ["set"]


def test_while_it_clears(forks, tmp_path, note_fault, tell):
    happened = note_fault("interruption", "kill -9 while it clears what a kill left")

    def leave(output_dir: Path) -> None:
        forks.put(1, output_dir)
        forks.put(0, output_dir.with_name(".set.old-1"))
        output_dir.with_name(".set.tmp-2").mkdir()
        output_dir.with_name(".set.tmp-2").joinpath("half").write_text("half")

    states: Counter[str] = Counter()
    removed = 0
    for output_dir, killed in forks.interrupt_at_every_step(
        tmp_path, "--seed=1", by=KILL, before=leave
    ):
        assert killed.status == -KILL
        states[forks.state(output_dir)] += 1
        removed = max(removed, sum("os.remove" in step for step in killed.steps))
        _assert_the_next_run_finishes(forks, output_dir, "--seed=1")
    happened(f"{tell(states)}; the next run clears")
    assert states.keys() == {"set 1"} and removed == len(forks.sets[0]) + 1


def test_the_command(forks, tmp_path, run_command, signal_at, note_fault, tell):
    """In processes of its own, one after the other in the same place."""
    happened = note_fault("interruption", "kill -9 of the command, at three moments")
    output_dir = tmp_path / "set"
    forks.put(0, output_dir)
    states, left = [], []
    for moment in (
        r"open .*\.set\.tmp-.*\.tfrecord-",
        r"open .*\.set\.tmp-.*manifest",
        r"os\.rename .*\.set\.tmp-",  # the earlier set is aside
    ):
        killed = run_command(output_dir, *REPLACE, sitecustomize=signal_at(KILL, moment))
        assert killed.returncode == -KILL
        states.append(forks.state(output_dir))
        left.append(sorted(set(os.listdir(tmp_path)) - {"set"}))
    after = run_command(output_dir, *REPLACE)
    happened(f"{tell(Counter(states))}; the next run clears")
    assert states == ["set 0", "set 0", "absent"]
    # Each run has cleared what the one before had left.
    assert [len(names) for names in left] == [1, 1, 2] and len({*left[0], *left[1], *left[2]}) == 4
    assert (after.returncode, after.stderr) == (0, "")
    assert forks.state(output_dir) == "set 1" and os.listdir(tmp_path) == ["set"]
