"""Texts of a run, in Markdown: its flags, its data, its report."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from pipelines.tfrecords.manifest import Manifest
from trainer.config import TrainConfig

# TensorBoard draws longer tables slowly, and nobody reads them.
MAX_CLASSES = 100


def configuration_text(config: TrainConfig, world: dict[str, Any]) -> str:
    """The flags that differ from their defaults first, then what was found, then the others.

    Args:
        config: The run's choices.
        world: What else decides how it goes, by name.
    """
    rows = [
        (f"`--{field.name}`", getattr(config, field.name), field.default)
        for field in dataclasses.fields(TrainConfig)
    ]
    changed = [row for row in rows if row[1] != row[2]]
    others = [row[:2] for row in rows if row[1] == row[2]]
    parts = ["### Not the defaults", _table(("flag", "value", "default"), changed)]
    if not changed:
        parts = ["### All flags have their defaults"]
    parts += ["### As it runs", _table(("", ""), world.items())]
    parts += ["### As by default", _table(("flag", "value"), others)]
    return "\n\n".join(parts)


def dataset_text(manifest: Manifest) -> str:
    """What is in the data: counts by class and split, source, fingerprint, settings."""
    splits = manifest.splits
    by_size = sorted(
        range(len(manifest.class_names)),
        key=lambda label: -sum(split.class_counts[label] for split in splits.values()),
    )
    labels = sorted(by_size[:MAX_CLASSES])
    counts = [
        (manifest.class_names[label], *(split.class_counts[label] for split in splits.values()))
        for label in labels
    ]
    left_out = len(manifest.class_names) - len(labels)
    if left_out:
        counts.append((f"and {left_out:,} smaller classes", *[""] * len(splits)))
    counts.append(("**all**", *(split.num_examples for split in splits.values())))
    size = " x ".join("any" if side is None else str(side) for side in manifest.image_shape)
    facts = {
        "fingerprint": f"`{manifest.fingerprint}`",
        "encoding": manifest.encoding,
        "height x width x channels": size,
        "images left out": len(manifest.rejected),
        "images normalised": sum(manifest.normalised.values()),
        **{f"source: {name}": value for name, value in manifest.source.items()},
    }
    return "\n\n".join(
        [
            f"### {_cell(manifest.name)}",
            _table(("class", *splits), counts),
            _table(("", ""), facts.items()),
            "### Settings",
            _table(("setting", "value"), manifest.settings.items()),
        ]
    )


def report_text(report: str) -> str:
    """A report as it is printed."""
    return f"```\n{report}\n```"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [[name or "\N{NO-BREAK SPACE}" for name in head], ["---"] * len(head)]
    lines += [[_cell(value) for value in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    """A value in one cell, whatever is in it."""
    if value is None or value == () or value == {} or value == []:
        return "-"
    if isinstance(value, tuple | list):
        value = ", ".join(map(str, value))
    # A lone surrogate stands for a byte of a file name that is no UTF-8.
    text = str(value).encode("utf-8", "backslashreplace").decode()
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
