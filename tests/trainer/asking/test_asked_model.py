"""A model is asked in the precision that this machine has, in batches of one size."""

import keras
import numpy as np
import pytest

from model.strided_net import build_strided_net
from pipelines.runtime.errors import InputError
from tests.testing.rounding import assert_same_answers
from trainer import precision
from trainer.asking import asked_model
from trainer.asking.asked_model import load_asked_model
from trainer.model_description import ModelDescription
from trainer.trained_model import save_trained_model

pytestmark = pytest.mark.numerics

SIZE = 32
IMAGES = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), np.uint8)


@pytest.fixture(scope="module", params=["mixed_float16", "mixed_bfloat16"])
def trained_in(request, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("run")
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(request.param)
    model = build_strided_net(SIZE, SIZE, 3, 3)
    keras.config.set_dtype_policy("float32")
    description = ModelDescription("", ("a", "b", "c"), SIZE, 1, "d", "f", request.param, 0, 0)
    save_trained_model(run_dir, model, description)
    return run_dir, request.param


def test_a_precision_that_is_only_emulated_becomes_float32(
    trained_in, monkeypatch, note_fault, needs_precision
):
    run_dir, policy = trained_in
    needs_precision(policy)
    happened = note_fault("model", f"trained in {policy}, which is emulated")
    monkeypatch.setattr(asked_model, "is_emulated", lambda name: True)
    as_trained = load_asked_model(run_dir, "trained", 4)
    in_float32 = load_asked_model(run_dir, "auto", 4)
    happened(in_float32.note)
    assert as_trained.note == "" and as_trained.trained.model.layers[1].compute_dtype != "float32"
    assert in_float32.trained.model.layers[1].compute_dtype == "float32"
    assert "asked in float32, but trained in" in in_float32.note
    a, b = (one.probabilities(IMAGES[:4]) for one in (as_trained, in_float32))
    assert a.dtype == b.dtype == np.float32
    assert 0 < np.abs(a - b).max() < 0.1
    np.testing.assert_allclose(b.sum(axis=1), 1, rtol=1e-5)


def test_a_precision_that_does_not_run_becomes_float32_or_is_refused(
    trained_in, monkeypatch, note_fault
):
    run_dir, policy = trained_in
    happened = note_fault("model", f"trained in {policy}, which does not run here")
    monkeypatch.setattr(precision, "why_not", lambda policy: "could not create a primitive")
    monkeypatch.setattr(asked_model, "is_emulated", lambda policy: True)
    note = load_asked_model(run_dir, "auto", 4).note
    happened(note)
    assert f"asked in float32, but trained in {policy}, which this machine cannot run" in note
    with pytest.raises(InputError, match=f"precision {policy}, .*create a primitive.*; set --prec"):
        load_asked_model(run_dir, "trained", 4)


def test_a_precision_that_is_there_stays(trained_in, monkeypatch):
    run_dir, _ = trained_in
    monkeypatch.setattr(asked_model, "is_emulated", lambda name: False)
    assert load_asked_model(run_dir, "auto", 4).note == ""
    assert load_asked_model(run_dir, "float32", 4).note.startswith("asked in float32")


def test_how_many_are_asked_about_together_changes_nothing(asked):
    size = asked.trained.description.image_size
    images = np.random.default_rng(1).integers(0, 256, (7, size, size, 3), np.uint8)
    together = asked.probabilities(images)
    assert_same_answers(together, lambda: asked.trained.probabilities(images), asked.trained.model)
    assert len(np.unique(together[:, 0])) == 7
    # One image goes through at the first place of a batch, where a kernel may round otherwise.
    alone = np.concatenate([asked.probabilities(image[np.newaxis]) for image in images])
    assert_same_answers(alone, lambda: asked.probabilities(images), asked.trained.model)
