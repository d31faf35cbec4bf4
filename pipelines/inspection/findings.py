"""All that `inspect` collects in its one pass over a set."""

from typing import TYPE_CHECKING

from pipelines.inspection.statistics import Headers
from pipelines.tfrecords.manifest import Manifest
from pipelines.tfrecords.reader import Collector, StoredExample

if TYPE_CHECKING:
    from pipelines.inspection.audit import TraitCollector
    from pipelines.inspection.grid import Picks
    from pipelines.inspection.leakage import HashCollector


class Findings:
    """A collector made of others.

    Args:
        manifest: Of the set.
        grid: Whether images are picked for a picture grid.
        audit: Whether traits and hashes are collected, for which every image is decoded.

    Attributes:
        headers, picks, traits, hashes: The collectors; None for what is not asked for.
    """

    def __init__(self, manifest: Manifest, grid: bool, audit: bool):
        self.headers = Headers(len(manifest.class_names))
        self.picks = _picks(manifest) if grid else None
        self.traits = _traits(manifest) if audit else None
        self.hashes = _hashes() if audit else None

    def add(self, example: StoredExample) -> None:
        for collector in self._collectors():
            collector.add(example)

    def merge(self, other: "Findings") -> None:
        for mine, others in zip(self._collectors(), other._collectors(), strict=True):
            mine.merge(others)

    def _collectors(self) -> list[Collector]:
        every = (self.headers, self.picks, self.traits, self.hashes)
        return [collector for collector in every if collector is not None]


# These bring matplotlib and scikit-learn, for which a plain look at a set need not wait.


def _picks(manifest: Manifest) -> "Picks":
    from pipelines.inspection.grid import Picks, largest_classes

    return Picks(largest_classes(manifest))


def _traits(manifest: Manifest) -> "TraitCollector":
    from pipelines.inspection.audit import TraitCollector

    return TraitCollector(manifest)


def _hashes() -> "HashCollector":
    from pipelines.inspection.leakage import HashCollector

    return HashCollector()
