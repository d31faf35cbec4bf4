"""What is remembered of every image that was looked at, while its record waits on disk."""

import itertools
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipelines.runtime.errors import InputError
from pipelines.sources.base import fingerprint
from pipelines.tfrecords.manifest import Rejected

if TYPE_CHECKING:  # it brings TensorFlow
    from pipelines.conversion.validation import Prepared

_SHA256_BYTES = 32
_SHOWN = 3


class Catalog:
    """The images of a source in columns, so that many fit: some 200 bytes each, mostly the name.

    Attributes:
        class_names: In label order.
        file_names: Of the accepted images, by index, in the order in which they came.
        labels: Their classes, as indices into `class_names`.
        splits: Their splits as the source assigns them, or ''.
        record_bytes: The sizes of their records.
        rejected: The images left out, as they came.
        normalised: Why accepted images were re-encoded -> how many.
        remarks: What else was found in accepted images -> how many.
    """

    def __init__(self, class_names: Sequence[str]):
        self.class_names = tuple(class_names)
        self.file_names: list[str] = []
        self.labels = array("l")
        self.splits: list[str] = []
        self.record_bytes = array("Q")
        self.rejected: list[Rejected] = []
        self.normalised: Counter[str] = Counter()
        self.remarks: Counter[str] = Counter()
        self._sha256s = bytearray()
        self._hashes: list[bytes] = []
        self._rejected_identities: list[tuple[str, str, str, str]] = []

    def add(self, prepared: "Prepared") -> None:
        """Takes note of an image; if it is accepted, its index is the next one."""
        name, class_name, split = prepared.file_name, prepared.class_name, prepared.split
        if prepared.rejected:
            self.rejected.append(Rejected(name, prepared.rejected))
            identity = (name, class_name, split, prepared.sha256.hex())
            self._rejected_identities.append(identity)
            return
        self.file_names.append(name)
        self.labels.append(self.class_names.index(class_name))
        self.splits.append(split)
        self.record_bytes.append(prepared.record_bytes)
        self._sha256s += prepared.sha256
        if prepared.perceptual_hash:
            self._hashes.append(prepared.perceptual_hash)
        if prepared.normalised:
            self.normalised[prepared.normalised] += 1
        for remark in prepared.remarks:
            self.remarks[remark] += 1

    @property
    def num_seen(self) -> int:
        return len(self.file_names) + len(self.rejected)

    def class_counts(self, indices: Iterable[int]) -> tuple[int, ...]:
        """How many of the accepted images `indices` are of each class, in label order."""
        counts = Counter(self.labels[index] for index in indices)
        return tuple(counts[label] for label in range(len(self.class_names)))

    def seen_counts(self) -> dict[str, dict[str, int]]:
        """Split as the source assigns it -> class -> how many images, rejected ones too."""
        accepted = Counter(zip(self.splits, self.labels, strict=True))
        counts: dict[str, dict[str, int]] = {}
        for (split, label), count in accepted.items():
            counts.setdefault(split, {})[self.class_names[label]] = count
        for _, class_name, split, _ in self._rejected_identities:
            of_split = counts.setdefault(split, {})
            of_split[class_name] = of_split.get(class_name, 0) + 1
        return counts

    def fingerprint(self) -> str:
        """Of the names, classes, splits and bytes of all images, rejected ones too."""
        return fingerprint(itertools.chain(self._identities(), self._rejected_identities))

    def copies(self) -> list[tuple[int, ...]]:
        """Groups of two or more accepted images with the same bytes, as indices."""
        digests = self._digests()
        order = np.argsort(digests, kind="stable")
        is_first = np.ones(len(order) + 1, bool)
        is_first[1:-1] = digests[order[1:]] != digests[order[:-1]]
        starts = np.flatnonzero(is_first)
        spans = zip(starts[:-1], starts[1:], strict=True)
        return sorted(tuple(order[i:j].tolist()) for i, j in spans if j - i > 1)

    def num_copies(self) -> int:
        """How many accepted images have the bytes of one before them."""
        return len(self.file_names) - np.unique(self._digests()).size

    def near_copies(self) -> list[tuple[int, ...]]:
        """Groups of two or more accepted images that look the same, or have the same bytes."""
        # Here, because most sets are made without.
        from pipelines.conversion.duplicates import find_groups

        return find_groups(self._hashes)

    def check_labels(self, groups: Sequence[tuple[int, ...]]) -> None:
        """Checks that the images of each group, which are the same picture, have the same label.

        Raises:
            InputError: naming two images of each of the first groups in which that is not so.
        """
        pairs = [
            (group[0], other)
            for group in groups
            if (other := self._with_other_label(group)) is not None
        ]
        if not pairs:
            return
        shown = "; ".join(
            f"{self.file_names[one]!r} ({self.class_names[self.labels[one]]}) and "
            f"{self.file_names[other]!r} ({self.class_names[self.labels[other]]})"
            for one, other in pairs[:_SHOWN]
        )
        more = f"; and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
        raise InputError(
            f"received the same picture under two labels: {shown}{more}, expected one label for "
            "each picture; remove one of each pair."
        )

    def _with_other_label(self, group: tuple[int, ...]) -> int | None:
        first = self.labels[group[0]]
        return next((index for index in group if self.labels[index] != first), None)

    def _digests(self) -> np.ndarray:
        return np.frombuffer(self._sha256s, np.dtype((np.void, _SHA256_BYTES)))

    def _identities(self) -> Iterator[tuple[str, str, str, str]]:
        for index, name in enumerate(self.file_names):
            start = index * _SHA256_BYTES
            sha256 = self._sha256s[start : start + _SHA256_BYTES].hex()
            yield name, self.class_names[self.labels[index]], self.splits[index], sha256
