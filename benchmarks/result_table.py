"""The result of a benchmark: a table for people, JSON for programs."""

import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from pipelines.runtime.command import command_name

_PACKAGES = ("tensorflow", "keras", "numpy")


def tell(
    title: str, rows: Sequence[Mapping[str, Any]], json_path: Path | None, **more: Any
) -> None:
    """Prints a Markdown table, and writes it with all digits where that is asked for.

    Args:
        title: What the table says.
        rows: A column a key; all have the keys of the first. Numbers are printed as they are, but
            for floats, which get two decimals.
        json_path: Where the JSON goes: title, command, machine, versions and rows.
        more: What else goes there, by name.
    """
    print(f"\n{title}\n\n{markdown(rows)}")
    if json_path is None:
        return
    values = {
        "title": title,
        "command": f"{command_name()} {shlex.join(sys.argv[1:])}",
        "machine": f"{os.cpu_count()} cores, {platform.platform()}",
        "versions": package_versions(),
        "rows": list(rows),
        **more,
    }
    json_path.parent.mkdir(parents=True, exist_ok=True)
    json_path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def package_versions() -> dict[str, str]:
    """Of what decides over the speed of a run."""
    return {name: metadata.version(name) for name in _PACKAGES}


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a Markdown table, aligned."""
    columns = list(rows[0])
    cells = [columns, *([_text(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    lines = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _text(value: Any) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else str(value)
