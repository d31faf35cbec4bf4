"""What run_local.sh says before it installs anything."""

import subprocess
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
