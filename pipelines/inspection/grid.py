"""A picture of a set: a row of training images for each class."""

import bisect
import hashlib
import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps

from pipelines.runtime.console import printable
from pipelines.runtime.drawing import blank, font, shortened
from pipelines.tfrecords.manifest import Manifest
from pipelines.tfrecords.reader import StoredExample, opened

COLUMNS = 10
MAX_ROWS = 20

_KEPT_SIZE = (256, 256)
_CELL_WIDTH, _MIN_ROW_HEIGHT, _MAX_ROW_HEIGHT = 132, 56, 176
_GAP, _MARGIN, _LABEL_GAP, _TOP = 6, 18, 14, 48
_MAX_LABEL_WIDTH = 240
_LETTERBOX, _OUTLINE = "#ededed", "#e2e2e2"
_INK, _PALE_INK = "#1b1b1b", "#767676"
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


def largest_classes(manifest: Manifest) -> list[int]:
    """Labels of the rows: all classes, or the `MAX_ROWS` largest, in label order."""
    counts = manifest.splits["train"].class_counts
    by_size = sorted(range(len(counts)), key=lambda label: (-counts[label], label))
    return sorted(by_size[:MAX_ROWS])


class Picks:
    """Draws the same `COLUMNS` training images of each class, whatever the shards, by name."""

    def __init__(self, labels: Sequence[int]):
        self._picks: dict[int, list[tuple[bytes, str, Image.Image]]] = {
            label: [] for label in labels
        }

    def add(self, example: StoredExample) -> None:
        picks = self._picks.get(example.label)
        if picks is None or example.split != "train":
            return
        name = example.file_name.encode("utf-8", "surrogateescape")
        rank = hashlib.sha256(name).digest()
        if len(picks) == COLUMNS and rank >= picks[-1][0]:
            return
        with opened(example) as picture:
            picture.draft("RGB", _KEPT_SIZE)
            kept = picture.convert("RGB")
            kept.thumbnail(_KEPT_SIZE, Image.Resampling.LANCZOS)
        self._keep(example.label, (rank, example.file_name, kept))

    def merge(self, other: "Picks") -> None:
        for label, picks in other._picks.items():
            for pick in picks:
                self._keep(label, pick)

    def _keep(self, label: int, pick: tuple[bytes, str, Image.Image]) -> None:
        bisect.insort(self._picks[label], pick, key=lambda kept: kept[:2])
        del self._picks[label][COLUMNS:]

    def images(self) -> dict[int, list[Image.Image]]:
        """Label -> its images, at most `COLUMNS`, each within 256x256 pixels."""
        return {label: [pick[2] for pick in picks] for label, picks in self._picks.items()}


def draw_grid(manifest: Manifest, rows: dict[int, list[Image.Image]]) -> Image.Image:
    """Draws the rows of `Picks.images`, each with its class and how many training images it has."""
    bold, plain = font(17, bold=True), font(14)
    counts = manifest.splits["train"].class_counts
    names = [
        shortened(printable(manifest.class_names[label]), bold, _MAX_LABEL_WIDTH) for label in rows
    ]
    sizes = [f"{counts[label]:,} images" for label in rows]
    heights = [_row_height(images) for images in rows.values()]
    num_classes = len(manifest.class_names)
    which = f", the {len(rows)} largest of {num_classes} classes" if len(rows) < num_classes else ""
    title = f"{manifest.name}: training images drawn at random{which}"
    label_width = max(*map(bold.getlength, names), *map(plain.getlength, sizes))
    left = _MARGIN + math.ceil(label_width) + _LABEL_GAP
    right = left + COLUMNS * (_CELL_WIDTH + _GAP) - _GAP
    width = max(right, _MARGIN + math.ceil(plain.getlength(title))) + _MARGIN
    height = _TOP + sum(heights) + (len(heights) - 1) * _GAP + _MARGIN
    canvas, draw = blank(width, height)
    draw.text((_MARGIN, _MARGIN), title, _PALE_INK, plain, anchor="lt")
    y = _TOP
    for name, size, row_height, images in zip(names, sizes, heights, rows.values(), strict=True):
        middle = y + row_height // 2
        draw.text((left - _LABEL_GAP, middle - 2), name, _INK, bold, anchor="rs")
        draw.text((left - _LABEL_GAP, middle + 18), size, _PALE_INK, plain, anchor="rs")
        for column, image in enumerate(images):
            x = left + column * (_CELL_WIDTH + _GAP)
            # Pictures on white would otherwise have no edge.
            draw.rectangle((x - 1, y - 1, x + _CELL_WIDTH, y + row_height), outline=_OUTLINE)
            cell = _CELL_WIDTH, row_height
            canvas.paste(ImageOps.pad(image, cell, Image.Resampling.LANCZOS, _LETTERBOX), (x, y))
        y += row_height + _GAP
    return canvas


def encode_grid(grid: Image.Image, suffix: str) -> bytes:
    """The bytes of a picture file, of the format that its suffix, as '.png', stands for."""
    stream = io.BytesIO()
    grid.save(stream, _FORMATS[suffix], quality=92)
    return stream.getvalue()


def _row_height(images: Sequence[Image.Image]) -> int:
    """Near what the row's images need, so that few of them are letterboxed."""
    if not images:
        return _MIN_ROW_HEIGHT
    height = _CELL_WIDTH * np.median([image.height / image.width for image in images])
    return int(np.clip(round(height), _MIN_ROW_HEIGHT, _MAX_ROW_HEIGHT))
