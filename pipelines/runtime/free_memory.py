"""How much memory this process may still take."""

from pathlib import Path

import psutil

# Limit and use of the group of processes that we are in, under Linux's cgroups 2 and 1.
_CGROUP_FILES = (
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)


def free_memory(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that are free on this machine, or in this container where it has less."""
    free = psutil.virtual_memory().available
    for names in _CGROUP_FILES:
        try:
            limit, used, statistics = ((cgroup / name).read_text() for name in names)
        except OSError:
            continue
        if limit.strip() != "max":
            # Cached files count as used there, and give way.
            fields = dict(line.split() for line in statistics.splitlines())
            held = int(used) - int(fields.get("inactive_file", 0))
            free = min(free, max(0, int(limit) - held))
    return free
