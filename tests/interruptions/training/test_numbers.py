"""NaN stops a run; every example counts once, whatever the number of replicas."""

import json
import re

import numpy as np
import pytest

from tests.interruptions.training.conftest import FLAGS, REPLICAS, read_ending
from tests.testing.rounding import assert_same_but_for_rounding
from trainer.checkpoint_files import checkpoints_in

EVALUATED = {
    "1 replica": (),
    "2 replicas": REPLICAS,
    "1 replica, 8": ("--batch_size=8",),
    "2 replicas, 8": (*REPLICAS, "--batch_size=8"),
}
# Where the differences grow little, and nothing jumps, as the slope of relu does.
SLOW = (
    "--epochs=11",
    "--batch_size=18",
    "--image_size=32",
    "--checkpoint_every=1000",
    "--optimizer=sgd",
    "--momentum=0",
    "--learning_rate=1e-4",
    "--clip_norm=1",
    "--activation=elu",
)

# Before step 5 a layer's weights become NaN, once, as after an error of a processor.
NAN_IN_STEP_5 = """
from trainer.loop import Loop

train, done = Loop.train, []

def train_with_nan(loop, batch, count, progress, *rest):
    if int(progress.step) == 4 and not done:
        done.append(True)
        kernel = loop.model.layers[-2].kernel
        kernel.assign(kernel * float("nan"))
    return train(loop, batch, count, progress, *rest)

Loop.train = train_with_nan
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tmp_path_factory.mktemp("numbers")


@pytest.fixture(scope="module")
def outcomes(trainings, base, make_finished_set):
    """All runs of this module, in three processes: by name, how they ended."""
    few = f"--data_dir={make_finished_set(images_per_class=7, shards=2, test_fraction=0.2)}"
    many = f"--data_dir={make_finished_set(images_per_class=40, shards=2)}"
    too_high = (*FLAGS, "--learning_rate=1e30", "--optimizer=sgd")
    rows = [
        {
            "nan": trainings.job(base / "nan", *FLAGS, code=NAN_IN_STEP_5),
            "after nan": trainings.job(base / "nan", *FLAGS),
            "too high": trainings.job(base / "too high", *too_high),
        },
        {
            name: trainings.job(base / name, few, "--epochs=1", *flags, code=NO_TRAINING)
            for name, flags in EVALUATED.items()
        },
        {"losses": trainings.job(base / "losses", many, *SLOW, code=LOSSES, network="whole")},
    ]
    found = trainings.run_rows(*(list(row.values()) for row in rows))
    return {
        name: outcome
        for row, outcomes in zip(rows, found, strict=True)
        for name, outcome in zip(row, outcomes, strict=True)
    }


def test_nan_stops_the_run(outcomes, base, trainings, assert_same, note_fault):
    happened = note_fault("numbers", "NaN in a weight before step 5")
    outcome, again = outcomes["nan"], outcomes["after nan"]
    happened(f"status {outcome.status}, names step and layer; goes on from step 3, all finite")
    assert outcome.status == 1 and len(outcome.errors.splitlines()) == 1
    assert (
        "NaN or infinity in the gradients of the layer dense in step 5 (epoch 2)" in outcome.errors
    )
    assert f"The last checkpoint is {base}/nan/checkpoints/step-0000000003.npz." in outcome.errors
    assert (again.status, again.errors) == (0, "") and "after step 3 of 6" in again.output
    assert_same(base / "nan", trainings.undisturbed())


def test_a_learning_rate_that_is_too_high(outcomes, base, note_fault):
    happened = note_fault("numbers", "--learning_rate=1e30")
    outcome = outcomes["too high"]
    happened(f"status {outcome.status}, names step and layer, saves nothing that is not finite")
    assert outcome.status == 1 and len(outcome.errors.splitlines()) == 1
    # Which it is, the numbers that are drawn decide.
    place = "(on the way to|in the gradients of) the layer [a-z_0-9]+ in step 2"
    assert re.search(f"NaN or infinity {place} .epoch 1.", outcome.errors)
    assert "lower --learning_rate" in outcome.errors
    assert "No checkpoint was written." in outcome.errors
    assert not checkpoints_in(base / "too high" / "checkpoints")


def test_every_example_counts_once(outcomes, base, note_fault):
    """The same weights, evaluated on 1 and 2 replicas, in batches of 4, and of 8."""
    happened = note_fault("numbers", "5 test examples in batches of 4 and 8 on 2 replicas")
    happened("5 counted, the same report as on 1")
    reports = [json.loads((base / name / "report.json").read_text()) for name in EVALUATED]
    for report in reports:
        for name in ("train_seconds", "images_per_second", "input_wait_fraction"):
            del report[name]
        assert report["examples"] == 5
        assert sum(of_class["support"] for of_class in report["per_class"].values()) == 5
    # The same counts; means of probabilities are added up in another order.
    for report in reports[1:]:
        assert flat(report) == pytest.approx(flat(reports[0]), abs=1e-5)
    losses = [read_ending(base / name).history[0]["eval_loss"] for name in EVALUATED]
    np.testing.assert_allclose([float(loss) for loss in losses], float(losses[0]), rtol=1e-5)


def flat(document, path=""):
    """Path -> value of a document, as `pytest.approx` compares them."""
    if not isinstance(document, dict | list):
        return {path: document}
    parts = document.items() if isinstance(document, dict) else enumerate(document)
    return {p: v for key, value in parts for p, v in flat(value, f"{path}/{key}").items()}


def test_one_replica_and_two(outcomes, note_fault):
    """The network enlarges whatever differs: what is allowed, a control tells."""
    happened = note_fault("numbers", "1 replica and 2: 55 steps, no dropout, float32")
    outcome = outcomes["losses"]
    assert (outcome.status, outcome.errors) == (0, "")
    line = next(line for line in outcome.output.splitlines() if line.startswith("LOSSES "))
    one, two, control = np.array(json.loads(line.removeprefix("LOSSES ")))
    apart, noise = (np.max(np.abs(one - other) / one) for other in (two, control))
    happened(f"losses {apart:.0e} apart at most; {noise:.0e} from weights a last digit away")
    assert len(one) == 55 and one.std() > 0.1
    # That a step is the right one is seen in fewer and larger ones; here, that 55 stay together.
    assert apart > 0
    assert_same_but_for_rounding([two], [one], [control], [np.full(55, one[0])])


# The weights stay as they were drawn, the same for any batch and number of replicas.
NO_TRAINING = """
from trainer.loop import Loop

Loop.train = lambda loop, batch, count, progress, vote=False: progress
"""

# StridedNet without dropout, on one replica, on two, and on one from `nudged` weights: the loss
# of each step.
LOSSES = """
import json, os
from pipelines.runtime.command import define_flags, parse_config
import keras
from trainer.config import TrainConfig
from trainer.loop import Loop
from trainer.train import train
from tests.testing.rounding import nudged_state

keras.layers.Dropout.__init__ = (
    lambda layer, rate, old=keras.layers.Dropout.__init__, **keywords: old(layer, 0.0, **keywords)
)
take = Loop.train
sums = []

def noted(loop, batch, count, progress, *rest):
    if name == "control" and int(progress.step) == 0:
        loop.restore(nudged_state(loop.state()))
    after = take(loop, batch, count, progress, *rest)
    sums.append(float(after.sums[0] - progress.sums[0]))
    return after

Loop.train = noted
losses = []
two = ["--strategy=mirrored", "--virtual_devices=2"]
for name, devices in (("one", []), ("two", two), ("control", [])):
    argv = ["trainer.main", *job["flags"], f"--run_dir={job['output_dir']}-{name}", *devices]
    train(parse_config(TrainConfig, define_flags(TrainConfig), argv))
    losses.append(list(sums))
    sums.clear()
print("LOSSES " + json.dumps(losses), flush=True)
os._exit(0)
"""
