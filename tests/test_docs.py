"""The documentation: its commands are commands, its links lead somewhere."""

import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from absl import flags
from PIL import Image

from pipelines.runtime.command import define_flags, parse_config
from pipelines.runtime.errors import InputError

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def commands(text, language=""):
    """The commands in the fenced blocks of a page: `python -m ...`, as lists of arguments."""
    found = []
    for block in re.findall(rf"^```{language}[^\n]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            # After a prompt, or a program that starts it; not where it is quoted in an output.
            match = re.match(
                r"(?:\S*\$ |srun .*)?python -m ((?:pipelines|trainer)\.\w+( .*)?)$", line
            )
            if match:
                found.append(shlex.split(match[1], comments=True))
    return found


def config_class_of(module_name):
    """The config of a command: what its `main` takes."""
    module = importlib.import_module(module_name)
    return module.main.__annotations__["config"]


def slug(heading):
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


def prose(page):
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_one_that_takes_these_flags(page, monkeypatch):
    monkeypatch.chdir(ROOT)  # for --flagfile
    refused = []
    for command in commands(page.read_text()):
        config_class = config_class_of(command[0])
        try:
            parse_config(config_class, define_flags(config_class), command)
        except (flags.Error, InputError) as error:
            refused.append((command, str(error)))
    assert refused == []


def test_there_are_commands_on_the_pages_for_readers():
    for name in ("README.md", "docs/practitioner.md", "docs/performance.md"):
        assert len(commands((ROOT / name).read_text())) >= 2, name


def test_what_comes_first_works_on_a_fresh_clone():
    """Nothing is installed there, so it can only be the script that installs."""
    (first, *_) = re.findall(r"^```\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    lines = [line.partition("#")[0].split() for line in first.splitlines()]
    assert lines == [["./run_local.sh"], ["./run_local.sh", "test"]]


@pytest.mark.parametrize("page", ["api", "performance"])
def test_python_on_a_page_runs(page, data_dir, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tfrecords").symlink_to(data_dir)
    (code, *_) = re.findall(
        r"^```python\n(.*?)^```", (ROOT / f"docs/{page}.md").read_text(), re.M | re.S
    )
    # As many steps as the tiny set has.
    code = code.replace("batch_size=32", "batch_size=2").replace("start_step=100", "start_step=1")
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_the_files_that_maintainers_are_sent_to_are_there(page):
    text = (ROOT / page).read_text()
    named = re.findall(r"`((?:pipelines|model|trainer|tests|docs)/[\w/]*(?:\.py|\.md|/))`", text)
    assert len(named) > 3
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["learner", "practitioner", "performance"])
def test_the_commands_for_a_reader_work_one_after_the_other(name, tmp_path):
    """Those in blocks of `bash`; the others need a download, a cluster or hours."""
    write_pictures(tmp_path / "my_pictures")
    wanted = commands((ROOT / f"docs/{name}.md").read_text(), "bash")
    assert len(wanted) >= 3
    for command in wanted:
        ended = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, (command, ended.stderr)


def write_pictures(folder):
    """Two classes that a network can tell apart, 40 pictures each."""
    random = np.random.default_rng(0)
    for name, colour in (("faces", (200, 90, 40)), ("other", (40, 90, 200))):
        (folder / name).mkdir(parents=True)
        for number in range(40):
            pixels = random.normal(colour, 60, (90, 120, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"image_{number:02}.jpg")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target
