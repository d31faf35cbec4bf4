"""A finished run that has written all that TensorBoard can show."""

import pytest

FLAGS = {
    "image_size": 16,
    "batch_size": 4,
    "epochs": 2,
    "unwarped_fraction": 0.5,
    "summary_every": 2,
    "histograms": True,
    "profile_steps": "2,3",
    "augment_on": "device",
    "mixup": 0.2,
}


@pytest.fixture(scope="package")
def shown_run(data_dir, tmp_path_factory):
    """The run directory, of four steps an epoch."""
    from trainer.config import TrainConfig
    from trainer.train import train

    base = tmp_path_factory.mktemp("shown") / "runs"
    return train(TrainConfig(data_dir=str(data_dir), run_dir=str(base / "shapes"), **FLAGS))
