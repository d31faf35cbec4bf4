"""What is remembered of every image that was looked at, while its record waits on disk."""

import itertools
from array import array
from collections import Counter, defaultdict
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
    """The images of a source in columns, so that many fit: some 200 bytes each, mostly the name."""

    def __init__(self, class_names: Sequence[str]):
        self.class_names = tuple(class_names)  # in label order
        # Of the accepted images, by index, in the order in which they came.
        self.file_names: list[str] = []
        self.labels = array("l")  # indices into `class_names`
        self.splits: list[str] = []  # as the source assigns them, or ''
        self.record_bytes = array("Q")  # the sizes of their records
        self.normalised: Counter[str] = Counter()  # why some were re-encoded -> how many
        self.remarks: Counter[str] = Counter()  # what else was found in them -> how many
        self.rejected: list[Rejected] = []  # the images left out, as they came
        # Split as the source assigns it -> class -> how many images, rejected ones too.
        self.seen_counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._sha256s = bytearray()
        self._hashes: list[bytes] = []
        self._rejected_identities: list[tuple[str, str, str, str]] = []

    def add(self, prepared: "Prepared") -> None:
        """Takes note of an image; if it is accepted, its index is the next one."""
        name, class_name, split = prepared.file_name, prepared.class_name, prepared.split
        self.seen_counts[split][class_name] += 1
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

    def fingerprint(self) -> str:
        """Of the names, classes, splits and bytes of all images, rejected ones too."""
        return fingerprint(itertools.chain(self._identities(), self._rejected_identities))

    def copies(self) -> list[tuple[int, ...]]:
        """Groups of two or more accepted images with the same bytes, as indices."""
        digests = np.frombuffer(self._sha256s, np.dtype((np.void, _SHA256_BYTES)))
        order = np.argsort(digests, kind="stable")
        is_first = np.ones(len(order) + 1, bool)
        is_first[1:-1] = digests[order[1:]] != digests[order[:-1]]
        starts = np.flatnonzero(is_first)
        spans = zip(starts[:-1], starts[1:], strict=True)
        return sorted(tuple(order[i:j].tolist()) for i, j in spans if j - i > 1)

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
        pairs = []
        for first, *rest in groups:
            others = [index for index in rest if self.labels[index] != self.labels[first]]
            if others:
                pairs.append((first, others[0]))
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
            "each picture; move one of each pair away."
        )

    def _identities(self) -> Iterator[tuple[str, str, str, str]]:
        for index, name in enumerate(self.file_names):
            start = index * _SHA256_BYTES
            sha256 = self._sha256s[start : start + _SHA256_BYTES].hex()
            yield name, self.class_names[self.labels[index]], self.splits[index], sha256
