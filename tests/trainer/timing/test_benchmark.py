"""The command, as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from pipelines.runtime.command import define_flags, parse_config
from trainer.benchmark import BenchmarkConfig, main

ROOT = Path(__file__).parents[3]
QUICK = ("--image_size=16", "--batch_size=4", "--seconds=0.02", "--rounds=1")
INPUT = ["order", "read", "parse", "batch", "decode", "resize", "cache", "warp"]


def benchmark(*flags):
    command = [sys.executable, "-m", "trainer.benchmark", *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    "flags",
    [
        ("--cache=memory",),
        ("--cache=none", "--augment_on=device", "--strategy=mirrored", "--virtual_devices=2"),
    ],
)
def test_prints_a_table_and_writes_what_it_found(data_dir, tmp_path, flags):
    found, chart = tmp_path / "found.json", tmp_path / "chart.png"
    done = benchmark(
        f"--data_dir={data_dir}", *QUICK, *flags, f"--json={found}", f"--chart={chart}"
    )
    assert done.returncode == 0, done.stderr
    lines = {line.split("  ")[0].strip(): line for line in done.stdout.splitlines()}
    for name in (*INPUT, "whole input", "step", "training"):
        assert name in lines
    assert "The bottleneck is" in done.stdout
    document = json.loads(found.read_text())
    assert list(document["rates"]) == [*INPUT, "whole input", "step", "training"]
    assert all(rate["images_per_second"] > 0 for rate in document["rates"].values())
    assert sum(document["shares"].values()) == pytest.approx(1)
    assert document["cache"] == flags[0].removeprefix("--cache=")
    assert document["bottleneck"] in done.stdout
    with Image.open(chart) as image:
        assert image.format == "PNG"


@pytest.mark.usefixtures("small_network")
def test_a_set_of_pixels_has_no_resize(make_finished_set, tmp_path):
    data_dir = make_finished_set(shards=2, encoding="raw", image_size=16)
    found = tmp_path / "found.json"
    flags = [f"--data_dir={data_dir}", *QUICK, f"--json={found}"]
    main(parse_config(BenchmarkConfig, define_flags(BenchmarkConfig), ["benchmark", *flags]))
    assert "resize" not in json.loads(found.read_text())["rates"]


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (("--seconds=0",), 2, "received --seconds=0.0, expected a number above 0"),
        (("--rounds=0",), 2, "received --rounds=0, expected at least 1"),
        (("--run_dir=runs/x",), 2, "a benchmark leaves no run behind"),
        (("--chart=chart.jpg",), 2, "received --chart=chart.jpg, expected a file name in .png"),
        (("--data_dir=nowhere",), 1, "received the data directory 'nowhere', which does not exist"),
        (("--json=nowhere/x.json",), 1, "received --json=nowhere/x.json, which cannot be written"),
    ],
)
def test_wrong_flags_are_one_line(data_dir, flags, status, message):
    done = benchmark(*(() if "--data_dir" in flags[0] else (f"--data_dir={data_dir}",)), *flags)
    assert done.returncode == status
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
