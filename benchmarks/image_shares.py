"""Sets of shares of the training images, with one and the same whole test split."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.linked_images import link
from benchmarks.recipe_runs import TUTORIAL_SPLIT, converted
from pipelines.tfrecords.manifest import Manifest
from pipelines.tfrecords.record import parse_features, read_records


class ImageShares:
    """A set of all images, split as the tutorial does it, and sets of shares of its training part.

    Args:
        source: A folder of class folders.
        work_dir: Where the sets are, or are made.
    """

    def __init__(self, source: Path, work_dir: Path) -> None:
        self._source, self._work_dir = source, work_dir
        self._whole_dir = work_dir / "whole" / "set"
        self._whole = converted(source, self._whole_dir, f"--split_seed={TUTORIAL_SPLIT}")
        self._names = {part: self._names_in(part) for part in ("train", "test")}

    @property
    def training_images(self) -> int:
        """In the whole training part."""
        return len(self._names["train"])

    @property
    def smallest_class(self) -> str:
        """The class of the fewest training images."""
        counts = self._whole.splits["train"].class_counts
        return self._whole.class_names[counts.index(min(counts))]

    def of(self, percent: int, seed: int) -> tuple[Path, Manifest]:
        """Where the set of that share and draw is, and what is in it."""
        if percent == 100:
            return self._whole_dir, self._whole
        work = self._work_dir / f"share-{percent}-seed-{seed}"
        shutil.rmtree(work / "images", ignore_errors=True)
        drawn = draw_share(self._names["train"], percent, seed)
        for part, names in (("train", drawn), ("test", self._names["test"])):
            for name in names:
                link(self._source / name, work / "images" / part / name)
        return work / "set", converted(work / "images", work / "set", "--split=source")

    def _names_in(self, part: str) -> list[str]:
        """Of its images, as paths in the source, sorted."""
        return sorted(
            parse_features(record)["file_name"].bytes_list.value[0].decode()
            for shard in self._whole.splits[part].shards
            for record in read_records((self._whole_dir / shard.name).read_bytes())
        )


def draw_share(names: Sequence[str], percent: int, seed: int) -> list[str]:
    """That share of each class's images, to the nearest image and one at least.

    With the same seed, the images of a smaller share are in every larger one.

    Args:
        names: Of images, CLASS/NAME.
        percent: 1 to 100.
        seed: Of the draw.
    """
    by_class: dict[str, list[str]] = {}
    for name in sorted(names):
        by_class.setdefault(name.split("/")[0], []).append(name)
    drawn: list[str] = []
    for number, members in enumerate(by_class.values()):
        order = np.random.default_rng([seed, number]).permutation(len(members))
        count = max(1, round(len(members) * percent / 100))
        drawn += [members[index] for index in order[:count]]
    return drawn
