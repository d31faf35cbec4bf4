"""Event files are cut back to the step from which a run goes on."""

import os

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pipelines.tfrecords.record import FRAME_BYTES, read_records
from tests.trainer.checkpoint_samples import record
from trainer.event_files import cut_events, steps_of
from trainer.history import TrainMetrics
from trainer.summaries.scalars import write_epoch, write_steps
from trainer.summaries.writers import Writers

STEPS = (4, 8, 12)


@pytest.fixture
def run_dir(tmp_path):
    writers = Writers(tmp_path, "test")
    for epoch, step in enumerate(STEPS, 1):
        write_epoch(writers, record(epoch, loss=step / 100, step=step), ("a", "b"), (3, 3))
        writers.flush()
    writers.close()
    return tmp_path


def event_files(run_dir):
    files = sorted(run_dir.glob("*/*"))
    assert [path.parent.name for path in files] == ["test", "train"]
    return files


def points(run_dir, directory="test", tag="loss"):
    events = EventAccumulator(str(run_dir / directory), size_guidance={"tensors": 0}).Reload()
    return [(p.step, float(tf.make_ndarray(p.tensor_proto))) for p in events.Tensors(tag)]


@pytest.mark.parametrize(("step", "left"), [(8, [4, 8]), (10, [4, 8]), (4, [4])])
def test_what_is_later_goes_and_the_rest_stays_byte_for_byte(run_dir, step, left):
    before = [path.read_bytes() for path in event_files(run_dir)]
    cut_events(run_dir, step)
    for path, old in zip(event_files(run_dir), before, strict=True):
        new = path.read_bytes()
        assert 0 < len(new) < len(old)
        assert old.startswith(new)
    assert [at for at, _ in points(run_dir)] == left
    np.testing.assert_allclose([y for _, y in points(run_dir)], np.array(left) / 100, rtol=1e-6)
    assert [at for at, _ in points(run_dir, "train", "learning_rate")] == left


def test_before_the_first_epoch_nothing_is_left_but_the_version(run_dir):
    cut_events(run_dir, 0)
    for path in event_files(run_dir):
        (only,) = read_records(path.read_bytes())
        assert tf.compat.v1.Event.FromString(only).file_version


def identity(path):
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, path.read_bytes()


def test_figures_of_parts_of_epochs_are_cut_at_a_step_of_their_own(tmp_path):
    writers = Writers(tmp_path, "test", within_epochs=True)
    for step in (2, 4, 6, 8):
        write_steps(writers, step, TrainMetrics(step / 100, 0.5, 1.0, 700.0, 0.0, 0.1))
        if step % 4 == 0:
            write_epoch(writers, record(step // 4), ("a", "b"), (3, 3))
    writers.close()
    cut_events(tmp_path, 4, step_within=6)
    assert [at for at, _ in points(tmp_path, "steps")] == [2, 4, 6]
    assert [at for at, _ in points(tmp_path, "train")] == [4]


def test_what_tells_of_the_whole_run_goes_since_it_is_written_anew(run_dir):
    (only,) = run_dir.glob("*.tfevents.*")
    cut_events(run_dir, 12)
    assert not only.exists()


def test_the_steps_of_a_tag(run_dir):
    assert steps_of(run_dir / "train", "learning_rate") == set(STEPS)
    assert steps_of(run_dir / "train", "recall/a") == set()
    assert steps_of(run_dir / "test", "recall/a") == set(STEPS)
    assert steps_of(run_dir / "nowhere", "loss") == set()


@pytest.mark.parametrize("step", [12, 13, 10**6])
def test_files_without_a_later_event_are_not_touched(run_dir, step):
    before = [identity(path) for path in event_files(run_dir)]
    cut_events(run_dir, step)
    assert [identity(path) for path in event_files(run_dir)] == before


@pytest.mark.parametrize("missing", [1, 5, 20])
def test_a_torn_last_event_goes(run_dir, missing, note_fault):
    happened = note_fault("checkpoints", "an event file that is cut within its last event")
    path = event_files(run_dir)[0]
    records = list(read_records(path.read_bytes()))
    os.truncate(path, path.stat().st_size - missing)
    cut_events(run_dir, 12)
    happened("what is torn goes, what is before it stays")
    assert list(read_records(path.read_bytes())) == records[:-1]


def test_a_damaged_event_goes_and_those_after_it_stay(run_dir):
    path = event_files(run_dir)[0]
    records = list(read_records(path.read_bytes()))
    data = bytearray(path.read_bytes())
    data[len(records[0]) + FRAME_BYTES + 14] ^= 1  # in the second event
    path.write_bytes(data)
    cut_events(run_dir, 12)
    assert list(read_records(path.read_bytes())) == [records[0], *records[2:]]


def test_nothing_half_written_is_left_for_tensorboard(run_dir, monkeypatch):
    def stopped(self, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("pathlib.Path.replace", stopped)
        cut_events(run_dir, 4)
    (leftover,) = set(run_dir.glob("*/*")) - set(run_dir.glob("*/events.out.tfevents.*"))
    assert "tfevents" not in leftover.name  # by which TensorBoard knows its files
    cut_events(run_dir, 4)
    assert [at for at, _ in points(run_dir)] == [4]
    assert not leftover.exists()


def test_no_event_files_are_no_error(tmp_path):
    cut_events(tmp_path, 0)
    assert list(tmp_path.iterdir()) == []
