"""The main job on the real images: minutes each, so only with `-m slow`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ARCHIVE = ROOT.parent / "shared" / "data" / "101_ObjectCategories.tar.gz"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ARCHIVE.exists(), reason=f"needs Caltech-101's images in {ARCHIVE}"),
]


def run(module, *flags):
    subprocess.run([sys.executable, "-m", module, *flags], cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def caltech4(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data") / "caltech4"
    run("pipelines.make_tfrecords", f"--source={ARCHIVE}", f"--output_dir={directory}")
    return directory


@pytest.mark.parametrize("seed", [0, 1])
def test_the_default_recipe_reaches_97_percent_on_two_replicas(caltech4, tmp_path, seed):
    run_dir = tmp_path / "run"
    devices = ("--strategy=mirrored", "--virtual_devices=2")
    run(
        "trainer.main", f"--data_dir={caltech4}", f"--run_dir={run_dir}", f"--seed={seed}", *devices
    )
    report = json.loads((run_dir / "report.json").read_text())
    assert report["examples"] == 559
    assert report["accuracy"] >= 0.97
