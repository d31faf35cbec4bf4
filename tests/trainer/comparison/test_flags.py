"""In which flags runs differ."""

import dataclasses

import pytest

from trainer.comparison.flags import differing_flags, is_silent, label, short_label, shown
from trainer.config import TrainConfig

# Whoever adds a flag decides whether runs that differ in it are to be told apart by it.
SILENT = {
    "audit", "cache_dir", "check_numbers_every", "checkpoint_every", "classes", "data_dir",
    "data_service", "histograms", "keep_checkpoints", "pictures", "profile_steps", "resume",
    "run_dir", "summary_every", "verify_data", "worker_timeout",
}  # fmt: skip


def flags(**changes):
    return TrainConfig(**changes).as_json()


def test_silent_flags():
    names = {field.name for field in dataclasses.fields(TrainConfig)}
    assert {name for name in names if is_silent(name)} == SILENT


def test_only_what_differs_in_the_order_of_help():
    runs = [flags(seed=1, run_dir="a"), flags(seed=2, init="orthogonal", data_dir="b")]
    assert differing_flags(runs) == ["seed", "init"]
    assert label(runs[1], ["seed", "init"]) == "seed=2, init=orthogonal"


def test_a_run_older_than_a_flag_has_its_default():
    old = flags()
    del old["init"]
    assert differing_flags([old, flags()]) == []
    assert differing_flags([old, flags(init="orthogonal")]) == ["init"]


def test_a_flag_that_is_no_more():
    assert differing_flags([flags(), {**flags(), "gone": 1}]) == ["gone"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "none"), (True, "true"), (1.0, "1"), (0.0005, "0.0005"), (7, "7"), (["a"], "a")],
)
def test_values_are_shown_as_they_are_given(value, text):
    assert shown(value) == text


def test_a_long_label_leaves_out_what_is_at_its_default():
    names = ["seed", "init", "l2", "epochs"]
    assert short_label(flags(l2=0.5, seed=1), names) == "seed=1, l2=0.5"
    assert short_label(flags(), names) == "default"
    assert short_label(flags(l2=0.5), names[:3]) == "seed=0, init=he_normal, l2=0.5"
