"""Which runs a study needs, and what they are called."""

import dataclasses

import pytest

from pipelines.runtime.errors import InputError
from trainer.config import TrainConfig
from trainer.studying.factors import Factor
from trainer.studying.naming import run_name
from trainer.studying.plan import make_plan

BASE = {field.name: field.default for field in dataclasses.fields(TrainConfig)}
POOLING = Factor("downsampling", ("stride", "max_pool"))
INIT = Factor("init", ("he_normal", "orthogonal", "he_uniform"))


def plan(*factors, seeds=1, one_at_a_time=False, **base):
    return make_plan({**BASE, **base}, factors, seeds, one_at_a_time, "runs/s")


def test_all_combinations_with_all_seeds_the_seeds_of_one_together():
    made = plan(POOLING, INIT, seeds=2, seed=7, epochs=3)
    assert len(made.combinations) == 6 and len(made.runs) == 12
    assert [(r.config.downsampling, r.config.init, r.config.seed) for r in made.runs[:4]] == [
        ("stride", "he_normal", 7),
        ("stride", "he_normal", 8),
        ("stride", "orthogonal", 7),
        ("stride", "orthogonal", 8),
    ]
    assert {run.config.epochs for run in made.runs} == {3}
    assert made.combinations[1].label == "downsampling=stride, init=orthogonal"
    assert made.of(made.combinations[1]) == list(made.runs[2:4])


def test_one_at_a_time_begins_with_the_baseline():
    made = plan(POOLING, INIT, one_at_a_time=True)
    assert [(c.label, c.changed) for c in made.combinations] == [
        ("baseline", None),
        ("downsampling=max_pool", "downsampling"),
        ("init=orthogonal", "init"),
        ("init=he_uniform", "init"),
    ]
    assert made.runs[1].config.init == "he_normal"
    assert made.runs[2].config.downsampling == "stride"


def test_without_factors_it_is_the_baseline():
    assert [run.name for run in plan(seeds=2).runs] == ["default,seed=0", "default,seed=1"]


def test_a_combination_that_cannot_be_is_named():
    with pytest.raises(InputError) as caught:
        plan(Factor("model", ("strided_net", "vgg")), Factor("padding", ("valid", "same")))
    assert str(caught.value).startswith("for the combination --model=vgg --padding=same: received")


def test_names_are_of_all_flags_that_are_not_at_their_defaults():
    first = plan(POOLING, INIT, epochs=5).runs
    assert [run.name for run in first[:4]] == [
        "epochs=5,seed=0",
        "init=orthogonal,epochs=5,seed=0",
        "init=he_uniform,epochs=5,seed=0",
        "downsampling=max_pool,epochs=5,seed=0",
    ]
    assert str(first[0].run_dir) == "runs/s/epochs=5,seed=0"
    # A study of something else has its baseline in the same place.
    other = plan(Factor("l2", (0.0, 0.0005)), epochs=5).runs
    assert [run.name for run in other] == ["epochs=5,seed=0", "l2=0.0005,epochs=5,seed=0"]
    # And the order of the factors, or what is varied, has no part in it.
    assert {run.name for run in plan(INIT, POOLING, epochs=5).runs} == {run.name for run in first}


def test_a_name_does_not_depend_on_where_things_are():
    config = TrainConfig(run_dir="x", data_dir="y", keep_checkpoints=9, verify_data=True)
    assert run_name(config.as_json()) == "default,seed=0"


def test_a_long_name_is_cut_and_stays_another():
    base = {name: 0.123456789 for name in BASE if isinstance(BASE[name], float)}
    names = {run_name({**BASE, **base, "seed": seed}) for seed in (1, 2)}
    assert len(names) == 2 and all(len(name) == 200 for name in names)
