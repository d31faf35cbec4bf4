"""Says how far a long loop is, and how fast."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

from pipelines.runtime import console

_SECONDS_BETWEEN_LINES = 10
_SECONDS_BETWEEN_RATES = 0.5

Item = TypeVar("Item")


def progress(
    items: Iterable[Item],
    total: int,
    what: str,
    bytes_of: Callable[[Item], int] | None = None,
) -> Iterator[Item]:
    """Hands on `items`, with a bar on a terminal, and elsewhere a line every ten seconds.

    With `--verbosity=error` it says nothing.

    Args:
        items: What is counted.
        total: How many there will be.
        what: What is done with them.
        bytes_of: Gives an item's size in bytes, for a rate in megabytes a second beside the items'.
    """
    has_bar = console.shows_bars()
    start = time.monotonic()
    interval = _SECONDS_BETWEEN_RATES if has_bar else _SECONDS_BETWEEN_LINES
    next_time = start + interval
    num_bytes = 0
    with tqdm(total=total, desc=what, leave=False, disable=not has_bar) as bar:
        for count, item in enumerate(items, start=1):
            yield item
            bar.update()
            num_bytes += bytes_of(item) if bytes_of else 0
            now = time.monotonic()
            if now < next_time:
                continue
            next_time = now + interval
            rate = f"{num_bytes / 1e6 / (now - start):.1f} MB/s" if bytes_of else ""
            bar.set_postfix_str(rate)
            if not has_bar:
                per_second = f"{count / (now - start):.1f}/s"
                line = ", ".join(filter(None, (f"{what}: {count} of {total}", per_second, rate)))
                console.note(line)
