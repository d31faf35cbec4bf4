"""Finds the images that are copies of each other: resized, re-encoded, in grey, a little brighter.

Files equal byte for byte are found by their SHA-256; a copy saved anew is not, and in a test set
such a copy of a training image is an answer known beforehand. The means is the DCT hash "pHash" of
the library imagehash: which of the 256 lowest frequencies of the brightness lie above their median.
The hashes of two unrelated photographs differ in about 128 bits.

Not found, nor meant to be: pictures mirrored, turned, or cropped by 1% or more at each side. Not
told apart: drawings that differ in colour at about the same brightness.
"""

import hashlib
import io
from collections.abc import Sequence

import imagehash
import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

HASH_BYTES = 32

# In bits. Measured on the 2,233 images of the four Caltech-101 classes of the study: copies at JPEG
# quality 50 to 95, or at 0.5 to 2 times the size, lie at most 10 from their original. The two
# closest pairs of files, 4 and 10 apart, are of one photograph each. At 14 comes the first pair
# that is not, a motorbike with its fairing and without; of airplanes, at 34.
MAX_DISTANCE = 12


def hash_encoded(data: bytes) -> bytes:
    """`perceptual_hash` of a JPEG or PNG that passed validation: upright, 8-bit, RGB or grey."""
    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
        # Decodes a large JPEG at a half, a quarter or an eighth of its size, but not below this:
        # several times faster, at a cost of up to 6 bits. Does nothing to a PNG.
        image.draft(image.mode, (256, 256))
        return perceptual_hash(image)


def perceptual_hash(image: Image.Image) -> bytes:
    """`HASH_BYTES` bytes; few bits change where an upright picture, RGB or L, changes little.

    In a plain picture, of one colour or of stripes, most frequencies are exactly zero, and pHash is
    all but the same for all such pictures. They have a digest of their colours at 64x64 instead:
    the same for one colour at any size, and about 128 bits from everything else.
    """
    bits = imagehash.phash(image, hash_size=16).hash
    if 2 * np.count_nonzero(bits) < bits.size:  # half lie above the median, or many are equal
        return hashlib.sha256(image.convert("RGB").resize((64, 64)).tobytes()).digest()
    return np.packbits(bits).tobytes()


def find_groups(hashes: Sequence[bytes]) -> list[tuple[int, ...]]:
    """Groups images whose hashes lie within `MAX_DISTANCE` bits, directly or by way of others.

    Exact: no such pair is missed. Dealt into `MAX_DISTANCE` + 1 bands, the bits of two such hashes
    agree in at least one whole band; so only hashes that are equal in a band are compared. Memory
    is proportional to the number of hashes, however many are equal in a band.

    Returns:
        The groups of two or more as ascending indices, in the order of their first ones.

    Raises:
        ValueError: when a hash is not of `HASH_BYTES` bytes.
    """
    for index, value in enumerate(hashes):
        if len(value) != HASH_BYTES:
            raise ValueError(
                f"received a hash of {len(value)} bytes at index {index}, expected {HASH_BYTES}; "
                "hash the image with perceptual_hash."
            )
    numbers: dict[bytes, int] = {}  # equal hashes count as one
    distinct = [numbers.setdefault(value, len(numbers)) for value in hashes]
    groups: dict[int, list[int]] = {}
    for index, label in enumerate(_connected(list(numbers))[distinct].tolist()):
        groups.setdefault(label, []).append(index)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _connected(hashes: list[bytes]) -> np.ndarray:
    """Labels of the connected components of distinct hashes."""
    packed = np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, HASH_BYTES)
    bits = np.unpackbits(packed, axis=1)
    labels = np.arange(len(hashes))
    for band in range(MAX_DISTANCE + 1):
        # Dealt like cards: the low frequencies, alike in many pictures, are spread over the bands.
        keys = np.packbits(bits[:, band :: MAX_DISTANCE + 1], axis=1)
        labels = _connect_equals(labels, packed.view(np.uint64), keys)
    return labels


def _connect_equals(labels: np.ndarray, words: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """The labels once the near ones among hashes of equal keys are connected."""
    order = np.lexsort(keys.T)
    changes = (keys[order[1:]] != keys[order[:-1]]).any(axis=1)
    bucket = np.append(0, np.cumsum(changes))[: len(order)]
    first = _unfinished(labels[order], bucket)
    for step in range(1, len(order)):  # equals now stand together: one place apart, two, and so on
        first = first[first + step < len(order)]
        first = first[bucket[first] == bucket[first + step]]
        if not first.size:
            break
        one, other = order[first], order[first + step]
        near = np.bitwise_count(words[one] ^ words[other]).sum(axis=1) <= MAX_DISTANCE
        new = near & (labels[one] != labels[other])
        if new.any():
            # The labels once these are connected, pair by pair.
            edges = (np.ones(np.count_nonzero(new), bool), (labels[one[new]], labels[other[new]]))
            graph = coo_array(edges, shape=(len(labels), len(labels)))
            labels = connected_components(graph, directed=False)[1][labels]
            first = np.intersect1d(first, _unfinished(labels[order], bucket), assume_unique=True)
    return labels


def _unfinished(labels: np.ndarray, bucket: np.ndarray) -> np.ndarray:
    """Places in buckets that are not all connected, as those of near copies soon are."""
    starts = np.flatnonzero(np.diff(bucket, prepend=-1))
    lowest, highest = (f.reduceat(labels, starts) for f in (np.minimum, np.maximum))
    return np.flatnonzero((lowest != highest)[bucket])
