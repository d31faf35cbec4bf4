"""The Python with torch and torchvision, which may be that of another environment."""

import argparse
import os
import shutil
import subprocess
import sys


def add_torch_python(parser: argparse.ArgumentParser) -> None:
    """Adds `--torch_python`, whose value will be an absolute path."""
    parser.add_argument(
        "--torch_python",
        type=_absolute,
        default=sys.executable,
        help="a Python with torch and torchvision",
    )


def torch_versions(python: str) -> str | None:
    """The versions of torch and torchvision there; None if one of them cannot be imported."""
    program = "import torch, torchvision; print(torch.__version__, torchvision.__version__)"
    done = subprocess.run([python, "-c", program], capture_output=True, text=True)
    return None if done.returncode else done.stdout.strip()


def _absolute(python: str) -> str:
    found = shutil.which(python)
    if found is None:
        sys.exit(f"received --torch_python={python}, expected a Python.")
    return os.path.abspath(found)
