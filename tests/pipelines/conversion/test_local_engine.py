import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.conversion.local_engine import LocalEngine
from pipelines.conversion.validation import BATCH, Choices
from pipelines.sources import Source, SourceImage

CHOICES = Choices(("c",), image_size=None, hashed=False)
NUM_IMAGES = 40 * BATCH


@pytest.mark.parametrize("num_threads", [1, 3])
def test_order_is_kept_and_only_a_few_are_in_memory(
    num_threads: int, make_jpeg: Callable[..., bytes], tmp_path: Path
):
    taken = []
    data = make_jpeg(0)

    def images() -> Iterator[SourceImage]:
        for number in range(NUM_IMAGES):
            taken.append(number)
            yield SourceImage("c", f"{number}.jpg", lambda n=number: b"bad" if n == 5 else data)

    source = Source("folder", "set", {"": {"c": NUM_IMAGES}}, {}, images)
    names = []
    with contextlib.closing(LocalEngine(num_threads).prepare(source, CHOICES, tmp_path)) as found:
        for prepared in found:
            names.append(prepared.file_name)
            assert bool(prepared.rejected) == (prepared.file_name == "5.jpg")
            assert len(taken) - len(names) <= (2 * num_threads + 2) * BATCH
    assert names == [f"{number}.jpg" for number in range(NUM_IMAGES)]
    assert list(tmp_path.iterdir()) == []  # what waits on the disk has no name


def test_an_error_of_a_thread_comes_through(tmp_path: Path):
    def unreadable() -> bytes:
        raise RuntimeError("disk on fire")

    source = Source(
        "folder", "set", {"": {"c": 1}}, {}, lambda: iter([SourceImage("c", "1", unreadable)])
    )
    with pytest.raises(RuntimeError, match="disk on fire"):
        list(LocalEngine().prepare(source, CHOICES, tmp_path))


def test_large_files_are_in_memory_a_few_at_a_time(tmp_path: Path):
    read = []

    def images() -> Iterator[SourceImage]:
        for number in range(200):
            large = lambda n=number: read.append(n) or bytes(2_000_000)  # noqa: E731
            yield SourceImage("c", f"{number}.jpg", large)

    source = Source("folder", "set", {"": {"c": 200}}, {}, images)
    with contextlib.closing(LocalEngine(2).prepare(source, CHOICES, tmp_path)) as found:
        for count, prepared in enumerate(found, start=1):
            assert prepared.rejected
            assert len(read) - count <= (2 * 2 + 2) * 2
    assert len(read) == 200
