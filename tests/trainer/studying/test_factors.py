"""What --vary says."""

import dataclasses

import pytest

from pipelines.runtime.command import define_flags
from pipelines.runtime.errors import InputError
from trainer.config import TrainConfig
from trainer.studying.factors import Factor, parse_factors

DEFAULTS = {field.name: field.default for field in dataclasses.fields(TrainConfig)}


def parsed(*given):
    return parse_factors(given, define_flags(TrainConfig), DEFAULTS)


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("init=he_normal,glorot_uniform", "init", ("he_normal", "glorot_uniform")),
        ("--epochs = 3, 5", "epochs", (3, 5)),
        ("l2=0,5e-4", "l2", (0.0, 0.0005)),
        ("batch_norm=true,false", "batch_norm", (True, False)),
        ("clip_norm=none,1", "clip_norm", (None, 1.0)),
    ],
)
def test_values_have_the_flags_type(text, name, values):
    assert parsed(text) == (Factor(name, values),)
    assert [type(value) for value in parsed(text)[0].values] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["init"], "received --vary=init, expected FLAG=VALUE,VALUE,..."),
        (["init="], "received --vary=init=, expected FLAG=VALUE,VALUE,..."),
        (["init=a,,b"], "expected FLAG=VALUE,VALUE,..."),
        (["inti=he_normal"], "but trainer.main has no flag --inti, expected one of its flags"),
        (["init=he_normal,she"], "'she' is no value of --init, expected one of he_normal, he_u"),
        (["epochs=2,few"], "in which 'few' is no value of --epochs, expected a whole number;"),
        (["l2=none"], "in which 'none' is no value of --l2, expected a number;"),
        (["batch_norm=perhaps"], "'perhaps' is no value of --batch_norm, expected true or false"),
        (["l2=1,1.0"], "in which 1 is given twice, expected each value once"),
        (["init=he_normal", "init=orthogonal"], "and another --vary=init=..., expected each flag"),
        (["seed=1,2"], "expected another flag: --seeds=N runs every combination with N seeds"),
        (["run_dir=a,b"], "but --run_dir says where or how a run is kept"),
        (["resume=auto,never"], "but --resume says where or how"),
        (["data_dir=a,b"], "but --data_dir says where or how"),
    ],
)
def test_what_cannot_be_varied_is_refused(given, message):
    with pytest.raises(InputError) as caught:
        parsed(*given)
    assert message in str(caught.value) and "\n" not in str(caught.value)
