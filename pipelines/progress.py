"""Says how far a long loop is."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 10

Item = TypeVar("Item")


def progress(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """Hands on `items`, with a bar on a terminal, and elsewhere a line every ten seconds."""
    if sys.stderr.isatty():
        yield from tqdm(items, what, total, leave=False)
        return
    next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
    for count, item in enumerate(items, start=1):
        yield item
        if time.monotonic() > next_line:
            print(f"{what}: {count} of {total}", file=sys.stderr, flush=True)
            next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
