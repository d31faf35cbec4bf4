"""What is in a finished set: counts, sizes, modes, formats, and what its source held beside it.

All of it comes from the manifest and from the headers of the images; none is decoded.
"""

import dataclasses
import math
import os
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pipelines.tfrecords.manifest import Manifest, ShardedDataset
from pipelines.tfrecords.reader import Collector, StoredExample, opened

ASPECT_QUANTILES = {"min": 0.0, "5 %": 0.05, "median": 0.5, "95 %": 0.95, "max": 1.0}


class Header(NamedTuple):
    """What an image's header says."""

    width: int
    height: int
    mode: str
    format: str


class Headers:
    """Collects the headers of the images and their sizes in bytes, by class."""

    def __init__(self, num_classes: int):
        self.headers: list[Counter[Header]] = [Counter() for _ in range(num_classes)]
        self.num_bytes = [0] * num_classes

    def add(self, example: StoredExample) -> None:
        self.num_bytes[example.label] += len(example.image)
        if example.pixels_shape is None:
            with opened(example) as picture:
                header = Header(*picture.size, picture.mode, picture.format or "")
            self.headers[example.label][header] += 1

    def merge(self, other: "Headers") -> None:
        for mine, others in zip(self.headers, other.headers, strict=True):
            mine.update(others)
        self.num_bytes = [sum(pair) for pair in zip(self.num_bytes, other.num_bytes, strict=True)]


def describe(dataset: ShardedDataset, headers: Headers) -> dict[str, Any]:
    """The document that `inspect` shows and writes, but for the parts that are asked for."""
    manifest = dataset.manifest
    splits, shards = manifest.splits, manifest.shards
    return {
        "name": manifest.name,
        "data_dir": os.fspath(dataset.directory),
        "fingerprint": manifest.fingerprint,
        "encoding": manifest.encoding,
        "image_shape": list(manifest.image_shape),
        "num_images": sum(split.num_examples for split in splits.values()),
        "num_shards": len(shards),
        "num_bytes": sum(shard.num_bytes for shard in shards),
        "source": manifest.source,
        "splits": {
            name: {
                "num_images": split.num_examples,
                "classes": dict(zip(manifest.class_names, split.class_counts, strict=True)),
            }
            for name, split in splits.items()
        },
        "images": _describe_images(manifest, headers),
        "found": {
            "rejected": dict(Counter(one.reason for one in manifest.rejected).most_common()),
            "normalised": manifest.normalised,
            "remarks": manifest.remarks,
            "ignored": manifest.source["ignored_files"],
            "duplicate_groups": [list(group) for group in manifest.duplicates],
            "rejected_files": [dataclasses.asdict(one) for one in manifest.rejected],
        },
    }


def _describe_images(manifest: Manifest, headers: Headers) -> dict[str, Any]:
    counts = np.sum([split.class_counts for split in manifest.splits.values()], axis=0).tolist()
    by_class = zip(manifest.class_names, counts, headers.num_bytes, headers.headers, strict=True)
    whole = sum(headers.headers, Counter())
    return {
        "classes": {
            name: _describe_class(count, num_bytes, found)
            for name, count, num_bytes, found in by_class
        },
        "all": _describe_class(sum(counts), sum(headers.num_bytes), whole),
    }


def _describe_class(count: int, num_bytes: int, headers: Counter[Header]) -> dict[str, Any]:
    """Of images of one kind; nothing of sizes where the set holds pixels."""
    # A class may be in the manifest with no image at all.
    document: dict[str, Any] = {"num_images": count, "mean_bytes": num_bytes / max(count, 1)}
    if not headers:
        return document
    counts = _count(headers, lambda header: header[:2])
    sizes = sorted(counts, key=lambda size: (math.prod(size), size))
    widths, heights = np.repeat(sizes, [counts[size] for size in sizes], axis=0).T
    aspects = np.quantile(widths / heights, list(ASPECT_QUANTILES.values()))
    middle = (len(widths) - 1) // 2
    document["sizes"] = {
        "smallest": list(sizes[0]),
        "median": [int(widths[middle]), int(heights[middle])],
        "largest": list(sizes[-1]),
        "distinct": len(sizes),
    }
    document["aspect_ratios"] = dict(zip(ASPECT_QUANTILES, aspects.tolist(), strict=True))
    document["modes"] = _count(headers, lambda header: header.mode)
    document["formats"] = _count(headers, lambda header: header.format)
    return document


def _count(headers: Counter[Header], key: Callable[[Header], Any]) -> dict[Any, int]:
    """How many images have each value of `key`; the most frequent one first."""
    counts: Counter[Any] = Counter()
    for header, count in headers.items():
        counts[key(header)] += count
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


class Findings:
    """A collector made of others; `picks`, `traits` and `hashes` are None unless asked for."""

    def __init__(self, manifest: Manifest, grid: bool, audit: bool):
        self.headers = Headers(len(manifest.class_names))
        self.picks = self.traits = self.hashes = None
        # Here, since they bring matplotlib and scikit-learn, for which a plain look need not wait.
        if grid:
            from pipelines.inspection.grid import Picks, largest_classes

            self.picks = Picks(largest_classes(manifest))
        if audit:  # for which every image is decoded
            from pipelines.inspection.audit import HashCollector, TraitCollector

            self.traits, self.hashes = TraitCollector(manifest), HashCollector()

    def add(self, example: StoredExample) -> None:
        for collector in self._collectors():
            collector.add(example)

    def merge(self, other: "Findings") -> None:
        for mine, others in zip(self._collectors(), other._collectors(), strict=True):
            mine.merge(others)

    def _collectors(self) -> list[Collector]:
        every = (self.headers, self.picks, self.traits, self.hashes)
        return [collector for collector in every if collector is not None]
