"""From where a run begins, for whatever its directory holds and --resume says."""

import dataclasses
import os

import numpy as np
import pytest

from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import load_manifest
from tests.trainer.checkpoint_samples import of_run
from trainer.checkpoint import checkpoint_name
from trainer.checkpoint_files import DIRECTORY, CheckpointFiles
from trainer.config import CONFIG_NAME, TrainConfig
from trainer.report import REPORT_JSON
from trainer.resume import Start, find_start, restore
from trainer.run_state import RunState

STEPS = 4  # in an epoch
FLAGS = {"schedule": "constant", "augmentation": "none", "epochs": 3}


@pytest.fixture(scope="module")
def manifest(data_dir):
    return load_manifest(data_dir)


@pytest.fixture
def held(tmp_path, manifest):
    """Makes a run directory of FLAGS with checkpoints after some steps."""

    def make(*steps, name="run", finished=False, **flags):
        config = TrainConfig(**{**FLAGS, **flags})
        run_dir = tmp_path / name
        run_dir.mkdir()
        config.write(run_dir)
        files = CheckpointFiles(run_dir, keep=9)
        for step in steps:
            files.save(of_run(config, manifest, step, epochs_done=step // STEPS))
        files.wait()
        if finished:
            (run_dir / REPORT_JSON).touch()
        return run_dir

    return make


@pytest.fixture
def find(manifest):
    def find(run_dir, *, manifest=manifest, workers=1, **flags):
        return find_start(TrainConfig(**{**FLAGS, **flags}), run_dir, manifest, STEPS, workers)

    return find


@pytest.fixture
def refused(find):
    """The one line with which a run is refused."""

    def refused(run_dir, **flags):
        with pytest.raises(InputError) as caught:
            find(run_dir, **flags)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return refused


@pytest.mark.parametrize("resume", ["auto", "never"])
def test_an_empty_directory_begins_with_step_0(find, tmp_path, resume):
    start = find(tmp_path, resume=resume)
    assert start == Start()
    assert start.state == RunState() and start.best == []


def test_a_run_without_a_checkpoint_begins_again(find, held):
    assert find(held()) == Start()


def test_a_run_goes_on_from_its_newest_checkpoint(find, held):
    run_dir = held(4, 8)
    start = find(run_dir)
    assert start.state.step == 8 and len(start.state.records) == 2
    assert start.source == str(run_dir) and not start.is_finished
    assert start.state is start.state  # it is moved on
    np.testing.assert_array_equal(start.best[0], np.array([0.1, 0.2], np.float32))


def test_a_damaged_newest_checkpoint_is_told_and_skipped(find, held, capsys, note_fault):
    happened = note_fault("checkpoints", "a damaged newest one, as a run goes on")
    run_dir = held(4, 8)
    os.truncate(run_dir / DIRECTORY / checkpoint_name(8), 1000)
    start = find(run_dir)
    happened(f"warned, and gone on from step {start.state.step}")
    assert start.state.step == 4
    output = capsys.readouterr()
    assert output.err.startswith(f"warning: skipped the checkpoint {run_dir}/{DIRECTORY}/")
    assert output.out == "" and output.err.count("\n") == 1


def test_a_run_does_not_begin_again_over_checkpoints_that_cannot_be_read(held, refused, capsys):
    run_dir = held(4)
    os.truncate(run_dir / DIRECTORY / checkpoint_name(4), 0)
    assert "whose 1 checkpoint cannot be read, expected a whole one" in refused(run_dir)
    assert "which cannot be read" in capsys.readouterr().err


def test_a_run_that_ended_before_its_first_checkpoint_begins_again(find, held):
    assert find(held()) == Start()


def test_a_finished_run_has_nothing_left_to_do(find, held):
    assert find(held(12, finished=True), epochs=3).is_finished


def test_a_finished_run_is_not_one_of_fewer_epochs(held, refused):
    message = refused(held(12, finished=True), epochs=2)
    assert "begun with --epochs=3, expected the same (12 steps have been taken" in message


def test_a_finished_run_can_have_more_epochs(find, held, refused):
    run_dir = held(12, finished=True)
    start = find(run_dir, epochs=5)
    assert not start.is_finished and start.state.step == 12


def test_more_epochs_where_the_schedule_is_over(held, refused):
    flags = {"schedule": "cosine"}
    message = refused(held(12, finished=True, **flags), epochs=5, **flags)
    assert "received --epochs=5 for the run in " in message
    assert "begun with --epochs=3, expected the same (--schedule=cosine falls" in message


def test_more_epochs_without_a_checkpoint(held, refused):
    assert "a finished run of 3 epochs without a whole checkpoint" in refused(
        held(finished=True), epochs=5
    )


def test_never_refuses_a_run(held, refused):
    for number, finished in enumerate((False, True)):
        run_dir = held(4, name=f"run{number}", finished=finished)
        message = refused(run_dir, resume="never")
        assert "which holds a run already, with --resume=never" in message


@pytest.mark.parametrize("finished", [False, True])
def test_other_flags_are_refused_with_the_difference(held, refused, finished):
    message = refused(held(4, finished=finished), seed=7, optimizer="sgd", precision="float32")
    assert "--seed=0 is now 7; --optimizer=adam is now sgd; expected the same" in message
    assert "precision" not in message


@pytest.mark.parametrize("finished", [False, True])
def test_other_classes_are_refused(held, refused, manifest, finished):
    other = dataclasses.replace(manifest, class_names=("a", "b", "c"))
    message = refused(held(4, finished=finished), manifest=other)
    assert "received the classes a, b, c in " in message
    assert "but circles, lines, squares in the run in " in message


@pytest.mark.parametrize("finished", [False, True])
def test_other_data_are_refused(held, refused, manifest, make_finished_set, finished):
    other = load_manifest(make_finished_set(shards=2, seed=1))
    message = refused(held(4, finished=finished), manifest=other)
    assert f"fingerprint {other.fingerprint[:12]} instead of {manifest.fingerprint[:12]}" in message


def test_the_same_data_elsewhere_are_the_same(find, held, tmp_path):
    assert find(held(4), data_dir=str(tmp_path / "moved")).state.step == 4


def test_something_else_in_the_directory(refused, tmp_path):
    (tmp_path / "thesis.txt").touch()
    assert "which holds something that is no run" in refused(tmp_path)


def test_a_damaged_config(held, refused):
    run_dir = held(4)
    os.truncate(run_dir / CONFIG_NAME, 20)
    assert f"whose {CONFIG_NAME} cannot be read" in refused(run_dir)


@pytest.fixture
def new(tmp_path):
    directory = tmp_path / "new"
    directory.mkdir()
    return directory


@pytest.mark.parametrize(
    ("place", "step"), [("", 8), (DIRECTORY, 8), (f"{DIRECTORY}/{checkpoint_name(4)}", 4)]
)
def test_goes_on_from_another_run(find, held, new, place, step):
    path = held(4, 8) / place
    start = find(new, resume=str(path))
    assert start.state.step == step
    assert start.source == str(path)


def test_an_own_checkpoint_comes_before_that_of_another_run(find, held):
    """The same command again, after it was killed."""
    other = held(4, name="other")
    assert find(held(8), resume=str(other)).state.step == 8


def test_the_other_run_again_if_the_own_has_no_checkpoint_yet(find, held):
    other = held(4, name="other")
    assert find(held(), resume=str(other)).state.step == 4


def test_from_another_run_with_other_flags_or_data(held, new, refused, make_finished_set):
    path = str(held(4))
    assert "--seed=0 is now 7" in refused(new, resume=path, seed=7)
    other = load_manifest(make_finished_set(shards=2, seed=1))
    assert "fingerprint" in refused(new, resume=path, manifest=other)
    assert "8 steps have been taken, which is more" in refused(
        new, resume=str(held(8, name="longer")), epochs=1
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "which cannot be read (No such file or directory)"),
        (lambda path: path.mkdir(), "where there is no whole checkpoint"),
        (lambda path: path.write_bytes(b"damaged"), "which cannot be read (File is not a zip"),
    ],
    ids=["missing", "empty", "damaged"],
)
def test_nothing_to_go_on_from(new, refused, tmp_path, make, message, note_fault):
    happened = note_fault("checkpoints", "--resume=PATH that is no checkpoint")
    path = tmp_path / "other"
    make(path)
    text = refused(new, resume=str(path))
    happened(InputError(text))
    assert f"received --resume={path}, {message}" in text


class Loop:
    """Holds values as `trainer.loop.Loop` does."""

    def __init__(self, **values):
        self.values = values

    def state(self):
        return dict(self.values)

    def restore(self, values):
        self.values = values


def saved(manifest, arrays):
    return dataclasses.replace(of_run(TrainConfig(), manifest, 4), arrays=arrays)


def test_restores_all_values(manifest):
    loop = Loop(**{"model/000": np.zeros(3), "loss_scale/000": np.float32(2)})
    restore(loop, saved(manifest, {"model/000": np.ones(3), "loss_scale/000": np.float32(8)}))
    np.testing.assert_array_equal(loop.values["model/000"], np.ones(3))
    assert loop.values["loss_scale/000"] == 8


def test_a_loss_scale_begins_anew_where_there_was_none(manifest):
    loop = Loop(**{"model/000": np.zeros(3), "loss_scale/000": np.float32(2)})
    restore(loop, saved(manifest, {"model/000": np.ones(3)}))
    assert loop.values["loss_scale/000"] == 2


@pytest.mark.parametrize(
    ("arrays", "shape"), [({}, "None"), ({"model/000": np.ones((3, 1))}, r"(3, 1)")]
)
def test_another_models_values_are_refused(manifest, arrays, shape):
    loop = Loop(**{"model/000": np.zeros(3)})
    with pytest.raises(InputError) as caught:
        restore(loop, saved(manifest, arrays))
    assert f"in which model/000 has the shape {shape}, expected (3,)" in str(caught.value)
    np.testing.assert_array_equal(loop.values["model/000"], np.zeros(3))


def test_workers_that_read_files_of_their_own_stay_as_many(held, find, refused):
    by_file = {"shard_by": "file", "strategy": "multi_worker"}
    run_dir = held(4, **by_file)
    assert find(run_dir, **by_file).state.step == 4
    assert "2 workers with --shard_by=file" in refused(run_dir, workers=2, **by_file)
    assert find(held(4, name="by_example"), workers=2).state.step == 4
