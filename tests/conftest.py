"""Tiny real JPEGs and a tiny finished set, made on the fly."""

import io
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest_plugins = ["tests.fault_table", "tests.side_by_side", "tests.testing.quick", "pytester"]

# What would change what the commands do or print, for whoever runs the tests. Before any import.
for name in (
    "TF_CPP_MIN_LOG_LEVEL", "TF_CPP_MAX_VLOG_LEVEL", "ONEDNN_VERBOSE", "TF_CONFIG", "KERAS_BACKEND",
    "PYTHONWARNINGS", "COLUMNS", "NO_COLOR", "FORCE_COLOR",
):  # fmt: skip
    os.environ.pop(name, None)
os.environ["no_proxy"] = "localhost,127.0.0.1"
# In the background (`pytest &`, cron) a shell has SIGINT ignored, and so would all that is started.
signal.signal(signal.SIGINT, signal.default_int_handler)

TINY_CLASSES = ("circles", "lines", "squares")
TINY_IMAGES_PER_CLASS = 8


def tiny_jpeg(seed: int, mode: str = "RGB") -> bytes:
    """A JPEG of 40x30 pixels, another one for every seed."""
    shape = (30, 40) if mode == "L" else (30, 40, 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


def write_image_folder(base: Path, images_per_class: int = TINY_IMAGES_PER_CLASS) -> Path:
    folder = base / "shapes"
    for label, class_name in enumerate(TINY_CLASSES):
        (folder / class_name).mkdir(parents=True)
        for number in range(images_per_class):
            data = tiny_jpeg(100 * label + number)
            (folder / class_name / f"image_{number:04}.jpg").write_bytes(data)
    return folder


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Whatever a test sets in the environment is gone after it."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture
def make_jpeg() -> Callable[..., bytes]:
    """Makes a JPEG of 40x30 pixels from a seed, and `mode="L"` for a grey one."""
    return tiny_jpeg


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """A folder of class folders: 3 classes, 8 images each, of 40x30 pixels."""
    return write_image_folder(tmp_path)


@pytest.fixture(scope="session")
def make_finished_set(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a finished set of 3 classes; takes the images of each, and `Settings` as keywords."""

    def make(images_per_class: int = TINY_IMAGES_PER_CLASS, **settings: object) -> Path:
        from pipelines.conversion.convert import convert
        from pipelines.sources import open_source
        from pipelines.tfrecords.manifest import Settings

        base = tmp_path_factory.mktemp("tiny")
        source = open_source(str(write_image_folder(base, images_per_class)))
        convert(source, Settings(**settings), base / "tfrecords")
        return base / "tfrecords"

    return make


@pytest.fixture(scope="session")
def data_dir(make_finished_set: Callable[..., Path]) -> Path:
    """A finished set: 18 images for training, 6 for the test."""
    return make_finished_set(shards=2)


@pytest.fixture(scope="session")
def needs_precision() -> Callable[[str], None]:
    """Skips a test that computes under a Keras dtype policy where its convolutions do not run."""

    def need(policy: str) -> None:
        from trainer.precision import can_run

        if not can_run(policy):
            pytest.skip(f"{policy}: its convolutions do not run on this machine")

    return need
