import io
import random
from pathlib import Path

import pytest
from PIL import Image

from pipelines.inspection.grid import (
    COLUMNS,
    MAX_ROWS,
    Picks,
    draw_grid,
    encode_grid,
    largest_classes,
)
from pipelines.tfrecords.manifest import SCHEMA_VERSION, Manifest, Shard, Split
from pipelines.tfrecords.reader import StoredExample

COLOURS = ("red", "lime", "blue")
RGB = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255)}


def _manifest(class_names: tuple[str, ...], counts: tuple[int, ...]) -> Manifest:
    shard = Shard("x-train.tfrecord-00000-of-00001", sum(counts), 0, "")
    return Manifest(
        schema_version=SCHEMA_VERSION,
        name="colours",
        class_names=class_names,
        splits={"train": Split(counts, (shard,))},
        encoding="jpeg",
        image_shape=(None, None, 3),
        source={},
        settings={},
        rejected=(),
        normalised={},
        remarks={},
        duplicates=(),
        metadata={},
    )


def _example(label: int, number: int, size: tuple[int, int], split: str = "train") -> StoredExample:
    stream = io.BytesIO()
    colour = COLOURS[label % len(COLOURS)]
    Image.new("RGB", size, colour).save(stream, "PNG")
    return StoredExample(split, label, f"{label}/{number}", stream.getvalue(), None, Path("x"), 0)


def _rows(size: tuple[int, int], *, count: int, labels: int = 3) -> dict[int, list[Image.Image]]:
    return {
        label: [Image.new("RGB", size, COLOURS[label % 3]) for _ in range(count)]
        for label in range(labels)
    }


def _runs(line: list[tuple[int, ...]], colour: tuple[int, int, int]) -> list[int]:
    """Lengths of the stretches of a colour in a line of pixels."""
    runs, length = [], 0
    for pixel in [*line, (0, 0, 0)]:
        if pixel == colour:
            length += 1
        elif length:
            runs.append(length)
            length = 0
    return runs


def _line_across(grid: Image.Image, y: int) -> list[tuple[int, ...]]:
    return [grid.getpixel((x, y)) for x in range(grid.width)]


def _middle_of(grid: Image.Image, colour: tuple[int, int, int]) -> int:
    """The y in the middle of the row of a colour."""
    ys = [y for y in range(grid.height) if colour in _line_across(grid, y)]
    return ys[len(ys) // 2]


def test_each_class_has_a_row_of_its_images():
    grid = draw_grid(_manifest(COLOURS, (20, 20, 20)), _rows((60, 40), count=COLUMNS))
    middles = [_middle_of(grid, RGB[colour]) for colour in COLOURS]
    assert middles == sorted(middles)
    for colour, y in zip(COLOURS, middles, strict=True):
        runs = _runs(_line_across(grid, y), RGB[colour])
        assert len(runs) == COLUMNS
        assert len(set(runs)) == 1  # none covers another


def test_a_small_class_has_a_short_row():
    rows = {0: _rows((60, 40), count=COLUMNS)[0], 1: _rows((60, 40), count=3)[1]}
    grid = draw_grid(_manifest(COLOURS[:2], (20, 3)), rows)
    assert len(_runs(_line_across(grid, _middle_of(grid, RGB["lime"])), RGB["lime"])) == 3


@pytest.mark.parametrize("size", [(60, 40), (40, 60), (300, 60), (20, 200), (1, 1)])
def test_images_keep_their_aspect_ratio(size: tuple[int, int]):
    images = [*_rows((50, 50), count=4)[0], *_rows(size, count=1)[2]]
    grid = draw_grid(_manifest(("red",), (5,)), {0: images})
    across = _runs(_line_across(grid, _middle_of(grid, RGB["blue"])), RGB["blue"])
    x = _line_across(grid, _middle_of(grid, RGB["blue"])).index(RGB["blue"])
    down = _runs([grid.getpixel((x, y)) for y in range(grid.height)], RGB["blue"])
    assert len(across) == len(down) == 1
    assert abs(across[0] - down[0] * size[0] / size[1]) <= max(1, size[0] / size[1])


def test_the_same_images_are_drawn_whatever_the_shards():
    examples = [_example(label, n, (n + 1, 8)) for label in range(3) for n in range(40)]
    examples += [_example(0, n, (100 + n, 8), "test") for n in range(40)]
    drawn = []
    for seed in range(3):
        shuffled = random.Random(seed).sample(examples, len(examples))
        whole = Picks([0, 2])
        for shard in (shuffled[:50], shuffled[50:]):
            part = Picks([0, 2])
            for example in shard:
                part.add(example)
            whole.merge(part)
        drawn.append({k: [i.width for i in images] for k, images in whole.images().items()})
    assert drawn[0] == drawn[1] == drawn[2]
    assert {label: len(widths) for label, widths in drawn[0].items()} == {0: COLUMNS, 2: COLUMNS}
    assert max(drawn[0][0]) <= 40  # none of the test split
    assert drawn[0][0] != sorted(drawn[0][0])  # nor the first ones


def test_large_images_are_kept_small():
    picks = Picks([0])
    picks.add(_example(0, 0, (2000, 1000)))
    assert picks.images()[0][0].size == (256, 128)


def test_only_the_largest_of_many_classes_have_a_row():
    names = tuple(f"class_{number:02}" for number in range(30))
    counts = tuple(100 - number % 7 for number in range(30))
    labels = largest_classes(_manifest(names, counts))
    assert labels == sorted(labels)
    assert len(labels) == MAX_ROWS
    left_out = set(range(30)) - set(labels)
    assert max(counts[label] for label in left_out) <= min(counts[label] for label in labels)


@pytest.mark.parametrize("name", ["a\nb", "\udcff", "x" * 500, "Κλάση", "类"])
def test_any_class_name_can_be_drawn(name: str):
    grid = draw_grid(_manifest((name, "b"), (1, 1)), _rows((60, 40), count=1, labels=2))
    assert grid.width < 2000


@pytest.mark.parametrize(("suffix", "format"), [(".png", "PNG"), (".jpg", "JPEG")])
def test_the_file_is_of_the_format_of_its_name(suffix: str, format: str):
    data = encode_grid(Image.new("RGB", (30, 20)), suffix)
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        assert (picture.format, picture.size) == (format, (30, 20))
