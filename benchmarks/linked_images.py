"""Folders of as many images as a benchmark needs, made of the ones that there are."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path


def image_files(source: Path) -> list[Path]:
    """The images in the class folders of `source`; ends the program if there are none."""
    files = sorted(path for path in source.resolve().glob("*/*.*") if path.is_file())
    if not files:
        sys.exit(f"received --source={source}, expected class folders with images in them.")
    return files


def link(path: Path, target: Path) -> None:
    """Makes `target` another name of the file `path`, or a copy where it is on another disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def repeated(originals: Sequence[Path], target: Path, count: int) -> Path:
    """A folder of `count` images: the originals, again and again under other names."""
    for number in range(count):
        # In strides, so that a few are a sample of all classes.
        index = number % len(originals)
        original = originals[index * len(originals) // min(count, len(originals)) % len(originals)]
        link(original, target / original.parent.name / f"{number:07}{original.suffix}")
    return target
