"""A run whose model can be asked: of 3 classes and images of 16x16 pixels, hardly trained."""

import dataclasses
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def finished_run(data_dir, tmp_path_factory) -> Path:
    from trainer.config import TrainConfig
    from trainer.train import train

    run_dir = tmp_path_factory.mktemp("runs") / "first"
    small = {"image_size": 16, "batch_size": 4, "epochs": 1, "pictures": False, "audit": False}
    # Answers in batches of another size are compared, and are the same to float32's last digits.
    small |= {"precision": "float32"}
    return train(TrainConfig(data_dir=str(data_dir), run_dir=str(run_dir), **small))


@pytest.fixture(scope="session")
def asked(finished_run):
    from trainer.asking.asked_model import load_asked_model

    return load_asked_model(finished_run, "auto", 32)


@pytest.fixture
def loaded_once(asked, monkeypatch):
    """Commands get the model of `finished_run` without loading it again."""
    from trainer.asking import asked_model

    def load(run_dir, precision, batch_size):
        assert run_dir == asked.trained.run_dir and precision == "auto"
        return dataclasses.replace(asked, batch_size=batch_size)

    monkeypatch.setattr(asked_model, "load_asked_model", load)
