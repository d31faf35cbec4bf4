"""What run_local.sh says before it installs anything, and where a command beneath it fails."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "run_local.sh"


def run(*arguments, cwd):
    return subprocess.run(
        ["bash", str(SCRIPT), *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_shows_the_three_uses(tmp_path, flag):
    result = run(flag, cwd=tmp_path)
    assert result.returncode == 0
    for use in ("./run_local.sh  ", "./run_local.sh test", "./run_local.sh SOURCE"):
        assert use in result.stdout


def test_a_flag_in_place_of_the_source_is_refused(tmp_path):
    result = run("--epochs=3", cwd=tmp_path)
    assert result.returncode == 2
    assert "received '--epochs=3' first, expected" in result.stderr


# In the place of the environment's interpreter: checks flags as that does, and ends as it is told.
PYTHON = r"""#!/usr/bin/env bash
case "$*" in
  -\ *) cd {root} && exec {python} "$@" ;;
  *pipelines.make_tfrecords*) exit {convert} ;;
  *trainer.main*) exit {train} ;;
esac
"""


def run_installed(tmp_path, *arguments, convert=0, train=0):
    """Runs a copy of the script whose commands end with the statuses given."""
    for name in ("run_local.sh", "setup.py", "constraints.txt"):
        shutil.copy(SCRIPT.with_name(name), tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    root, real = str(SCRIPT.parent), sys.executable
    python.write_text(
        PYTHON.format(root=f"'{root}'", python=f"'{real}'", convert=convert, train=train)
    )
    python.chmod(0o755)
    wanted = "cat setup.py constraints.txt | cksum"
    stamp = subprocess.run(wanted, shell=True, cwd=tmp_path, capture_output=True, check=True).stdout
    (tmp_path / ".venv" / "installed-").write_bytes(stamp.rstrip(b"\n"))
    return subprocess.run(
        ["bash", str(tmp_path / "run_local.sh"), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )


HOW_TO_CONVERT = "flags of the conversion go to it"


@pytest.mark.parametrize("flag", ["--validation_fraction=0.1", "--nogroup_duplicates"])
def test_a_flag_of_the_conversion_is_told_from_a_typo(flag, tmp_path):
    result = run_installed(tmp_path, "sample", flag)
    assert result.returncode == 2
    name = flag.partition("=")[0]
    assert result.stderr == f"run_local.sh: {name} is a flag of the conversion.\n"
    assert HOW_TO_CONVERT in result.stdout and " --source=sample " in result.stdout


def test_a_typo_is_answered_before_anything_runs(tmp_path):
    result = run_installed(tmp_path, "sample", "--epoch=3")
    assert result.returncode == 2 and result.stdout == ""
    assert "Unknown command line flag 'epoch'" in result.stderr


@pytest.mark.parametrize(
    ("source", "is_told"),
    [("pictures", True), ("sample", True), ("https://host/a.zip", True), ("nothing", False)],
)
def test_how_to_convert_is_told_where_there_is_something_to_convert(tmp_path, source, is_told):
    (tmp_path / "pictures").mkdir()
    result = run_installed(tmp_path, source, convert=1)
    assert result.returncode == 1
    assert (HOW_TO_CONVERT in result.stdout) == is_told


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--data_dir=x", "received --data_dir, expected a source as the first argument"),
        ("--source=x", "received --source, expected it as the first argument"),
    ],
)
def test_what_is_trained_on_is_the_first_argument(flag, message, tmp_path):
    result = run_installed(tmp_path, "sample", flag)
    assert result.returncode == 2 and result.stdout == ""
    assert message in result.stderr and len(result.stderr.splitlines()) == 1


def test_before_the_training_stands_the_command_that_goes_on_with_it(tmp_path):
    root = tmp_path / "o'b dir"
    root.mkdir()
    flags = ["--epochs=9", "--cache=disk", "--cache_dir=/tmp/my pictures;d"]
    result = run_installed(root, "sample", *flags, train=130)
    assert result.returncode == 130
    (line,) = [line for line in result.stdout.splitlines() if "it goes on with:" in line]
    python, *arguments = shlex.split(line.partition("goes on with:")[2])
    assert python == f"{root}/.venv/bin/python"
    assert arguments[:2] == ["-m", "trainer.main"] and arguments[-3:] == flags
    assert f"--data_dir={root}/data/sample" in arguments
    assert any(a.startswith(f"--run_dir={root}/runs/sample-") for a in arguments)


def test_a_list_at_an_address_is_kept_under_its_own_name(tmp_path):
    result = run_installed(tmp_path, "https://host/pictures/list.csv?token=secret")
    assert f"to shards in '{tmp_path}/data/list'" in result.stdout
