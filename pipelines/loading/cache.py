"""Where decoded images are to stay: what was asked for, or what fits, and why."""

import dataclasses

from pipelines.runtime.console import megabytes
from pipelines.runtime.errors import InputError

_AUTO_SHARE, _MOST_SHARE = 0.5, 0.9  # of the free memory, for --cache=auto and memory


@dataclasses.dataclass(frozen=True)
class CacheChoice:
    """'memory', 'disk' or 'none', and the reason in words."""

    cache: str
    reason: str


def choose_cache(
    wanted: str,
    num_images: int,
    image_size: int,
    free_bytes: int,
    *,
    budget_bytes: int | None = None,
    services: bool = False,
) -> CacheChoice:
    """Decides before any memory is taken.

    Args:
        wanted: 'auto', 'memory', 'disk' or 'none'.
        num_images: That would be kept.
        image_size: Height and width of the decoded images in pixels.
        free_bytes: Memory that is free.
        budget_bytes: Most that may be taken; a share of what is free unless given.
        services: Whether data services decode, which keep nothing.

    Raises:
        InputError: for 'memory' where it does not fit.
    """
    if wanted in ("disk", "none"):
        return CacheChoice(wanted, "as asked for")
    if services:
        return CacheChoice("none", "data services keep nothing from one epoch to the next")
    needed = num_images * image_size**2 * 3
    share = _AUTO_SHARE if wanted == "auto" else _MOST_SHARE
    most = int(share * free_bytes) if budget_bytes is None else budget_bytes
    limit = (
        f"{share:.0%} of the free memory are {megabytes(most)}"
        if budget_bytes is None
        else f"--cache_memory_mb allows {megabytes(most)}"
    )
    sizes = f"{num_images:,} decoded images take {megabytes(needed)}, {limit}"
    if needed <= most:
        return CacheChoice("memory", sizes)
    if wanted == "auto":
        return CacheChoice("none", f"{sizes}; --cache=disk keeps them on the disk")
    raise InputError(
        f"received --cache=memory where {sizes}, expected room for all of them; use --cache=disk, "
        "none or auto, or allow more with --cache_memory_mb."
    )
