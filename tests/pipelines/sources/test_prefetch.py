import threading
from collections.abc import Iterator

import pytest

from pipelines.runtime.errors import InputError
from pipelines.sources import SourceImage
from pipelines.sources.base import read_ahead, take_ahead


def test_items_are_taken_before_they_are_asked_for_and_keep_their_order():
    taken = []
    items = take_ahead((taken.append(n) or n for n in range(10)), 3)
    assert next(items) == 0 and taken == [0, 1, 2, 3]
    assert list(items) == list(range(1, 10))
    assert list(take_ahead([], 3)) == []


def test_images_of_other_machines_are_fetched_together():
    together = threading.Barrier(4)

    def images() -> Iterator[SourceImage]:
        for number in range(8):
            read = lambda n=number: together.wait(timeout=30) * 0 + n  # noqa: E731
            yield SourceImage("c", str(number), read, is_remote=True)

    with read_ahead(images()) as files:  # one after the other, the first would wait in vain
        assert [(image.file_name, data) for image, data in files] == [
            (str(number), number) for number in range(8)
        ]


def test_images_of_this_machine_are_read_when_they_are_asked_for():
    read = []
    images = [SourceImage("c", str(n), lambda n=n: read.append(n) or b"") for n in range(100)]
    with read_ahead(images) as files:
        next(files)
        assert read == [0]


def test_an_image_that_cannot_be_fetched_is_an_error_in_its_place():
    def fail() -> bytes:
        raise InputError("gone")

    images = [
        SourceImage("c", "0", lambda: b"0", is_remote=True),
        SourceImage("c", "1", fail, is_remote=True),
    ]
    with pytest.raises(InputError, match="gone"):
        with read_ahead(images) as files:
            assert next(files)[1] == b"0"
            next(files)
