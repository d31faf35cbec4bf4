"""The script that sets our input pipeline beside others: it runs, and says so when it cannot."""

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "input_peers.py"
RATE = re.compile(r"^(.+): ([\d,]+) images/s ([\d,]+)$", re.MULTILINE)
RATIO = re.compile(r"^ours/(.+): ([\d.]+) ([\d.]+)$", re.MULTILINE)
SHORT = ("--rounds=1", "--seconds=0.05")
PEERS = {
    "decoding": ["bare decoder", "bare decoder by 32"],
    "memory": ["ImageDataGenerator", "ImageDataGenerator, workers", "Keras' random layers"],
    "files": ["ImageDataGenerator", "ImageDataGenerator, workers", "Keras' random layers"],
}


@pytest.fixture
def source(tmp_path, make_jpeg):
    for label, class_name in enumerate(("circles", "squares")):
        folder = tmp_path / "source" / class_name
        folder.mkdir(parents=True)
        for number in range(30):
            (folder / f"{number}.jpg").write_bytes(make_jpeg(100 * label + number))
    return tmp_path / "source"


def start(*flags):
    command = [sys.executable, str(SCRIPT), *map(str, flags)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    output, errors = process.communicate()
    return process.returncode, output, errors


def test_it_prints_every_rate_and_the_ratio_of_ours_to_each_peer(source, tmp_path):
    from pipelines.conversion.convert import convert
    from pipelines.sources import open_source
    from pipelines.tfrecords.manifest import Settings

    data_dir = tmp_path / "set"
    convert(open_source(str(source)), Settings(), data_dir)
    # At the same time: what takes long is the import of TensorFlow in each of their processes.
    found = {
        "decoding": start(f"--source={source}", "--images=48", "--only=decoding", *SHORT),
        "memory": start(f"--source={source}", f"--data_dir={data_dir}", "--only=memory", *SHORT),
        "files": start(f"--source={source}", f"--data_dir={data_dir}", "--only=files", *SHORT),
    }
    for name, (code, output, errors) in {n: finish(p) for n, p in found.items()}.items():
        assert code == 0, errors
        assert f"{36 if name == 'decoding' else 45} images in batches of 32" in output
        has_torch = name == "files" and "left out" not in output
        peers = [*PEERS[name], *(["PyTorch"] if has_torch else [])]
        rates, ratios = RATE.findall(output), RATIO.findall(output)
        assert [rate[0] for rate in rates] == ["ours", *peers]
        assert [ratio[0] for ratio in ratios] == peers
        for _, median, only in [*rates, *ratios]:
            assert median == only
            assert 0 < float(median.replace(",", "")) < math.inf


@pytest.mark.parametrize(
    "flags, received",
    [
        (["--source=nowhere"], "--source=nowhere"),
        (["--images=48", "--data_dir=some"], "--images=48 with --data_dir=some"),
        (["--data_dir=nowhere"], "nowhere"),
        (["--torch_python=nowhere"], "--torch_python=nowhere"),
    ],
)
def test_what_it_cannot_use_it_names_in_one_line(source, flags, received):
    code, output, errors = finish(start(f"--source={source}", *flags))
    assert (code, output) == (1, "")
    assert len(errors.splitlines()) == 1
    assert received in errors
    assert "expected" in errors


def test_it_refuses_a_set_that_was_made_from_another_source(source, data_dir):
    code, output, errors = finish(start(f"--source={source}", f"--data_dir={data_dir}"))
    assert (code, output) == (1, "")
    assert len(errors.splitlines()) == 1
    assert f"--data_dir={data_dir}, which has the image" in errors


def test_it_refuses_fewer_images_than_a_batch(image_folder, data_dir):
    code, output, errors = finish(start(f"--source={image_folder}", f"--data_dir={data_dir}"))
    assert (code, output) == (1, "")
    assert errors == "received 18 training images, expected at least 32.\n"
