"""One image of a source becomes one record of a shard, or the reason why not.

What happens to an image depends on nothing but the image and a few choices, so that any thread,
process or machine may do it. Where its record goes is decided when all images have been seen.
"""

import dataclasses
import hashlib
import posixpath
from collections.abc import Sequence
from typing import NamedTuple

from pipelines.conversion.validation import Header, Unfit, Verdict, read_headers, vet
from pipelines.loading.decode import decode_to_pixels
from pipelines.sources import SourceImage
from pipelines.tfrecords.example import serialize_example
from pipelines.tfrecords.record import frame_record

_FORMATS_BY_SUFFIX = {
    ".jpg": ("JPEG", "MPO"),
    ".jpeg": ("JPEG", "MPO"),
    ".png": ("PNG",),
    ".bmp": ("BMP",),
    ".gif": ("GIF",),
    ".webp": ("WEBP",),
    ".tif": ("TIFF",),
    ".tiff": ("TIFF",),
}


@dataclasses.dataclass(frozen=True)
class Choices:
    """What decides, beside the image, what its record holds.

    Attributes:
        class_names: In label order.
        image_size: None to store encoded bytes; else pixels of this height and width.
        hashed: Whether a perceptual hash is wanted.
    """

    class_names: tuple[str, ...]
    image_size: int | None
    hashed: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Prepared:
    """What is known of one image when its record is made.

    Attributes:
        file_name: As the source gives it.
        class_name: Its label.
        split: As the source assigns it, or ''.
        sha256: SHA-256 of the source's bytes, 32 bytes.
        source_bytes: How many bytes the source has.
        record_bytes: How many bytes its record takes in a shard; 0 when rejected.
        perceptual_hash: Empty unless wanted, or when rejected.
        normalised: Why its bytes are not the source's; '' when they are.
        remarks: What else was found that a reader of the manifest may want to know.
        rejected: Why there is no record; '' when there is.
    """

    file_name: str
    class_name: str
    split: str
    sha256: bytes
    source_bytes: int
    record_bytes: int = 0
    perceptual_hash: bytes = b""
    normalised: str = ""
    remarks: tuple[str, ...] = ()
    rejected: str = ""


@dataclasses.dataclass(frozen=True)
class Opened:
    """Images that have been read, at most `vet.BATCH`, and what is known without decoding them."""

    images: Sequence[SourceImage]
    files: Sequence[bytes]
    sha256s: Sequence[bytes]
    headers: Sequence[Header | Unfit]


class Decoded(NamedTuple):
    """What came of decoding one image: what a record is to store, and a hash if one is wanted."""

    verdict: Verdict
    stored: bytes
    perceptual_hash: bytes


def prepare(images: Sequence[SourceImage], choices: Choices) -> list[tuple[Prepared, bytes]]:
    """Reads, vets and serializes images.

    Its three steps may be taken one by one. The first and the last are Python's work. Decoding, the
    longest, is work that other threads may do at the same time.

    Args:
        images: At most `vet.BATCH` of them.
        choices: What their records hold.

    Returns:
        For each image what is known of it, and its record as it stands in a shard, or b"".

    Raises:
        InputError: when a file cannot be read; what it holds is never an error here.
    """
    opened = open_images(images, [image.read() for image in images])
    return make_records(opened, decode_images(opened, choices), choices)


def open_images(images: Sequence[SourceImage], files: Sequence[bytes]) -> Opened:
    """Hashes `images`, which were read as `files`, and looks at their headers."""
    sha256s = [hashlib.sha256(data).digest() for data in files]
    return Opened(images, files, sha256s, read_headers(files))


def decode_images(opened: Opened, choices: Choices) -> list[Decoded]:
    """Decodes images: vets them, and makes of them what their records store."""
    return [_decoded(verdict, choices) for verdict in vet(opened.files, opened.headers)]


def make_records(
    opened: Opened, decoded: Sequence[Decoded], choices: Choices
) -> list[tuple[Prepared, bytes]]:
    """What `prepare` returns."""
    return [
        _prepared((image.file_name, image.class_name, image.split, sha256, len(data)), one, choices)
        for image, data, sha256, one in zip(
            opened.images, opened.files, opened.sha256s, decoded, strict=True
        )
    ]


def _decoded(verdict: Verdict, choices: Choices) -> Decoded:
    if verdict.rejected:
        return Decoded(verdict, b"", b"")
    size = choices.image_size
    stored = decode_to_pixels(verdict.data, size) if size else verdict.data
    return Decoded(verdict, stored, _hash(verdict.data) if choices.hashed else b"")


def _prepared(
    identity: tuple[str, str, str, bytes, int], decoded: Decoded, choices: Choices
) -> tuple[Prepared, bytes]:
    verdict = decoded.verdict
    if verdict.rejected:
        return Prepared(*identity, rejected=verdict.rejected), b""
    file_name, class_name, _, sha256, _ = identity
    label = choices.class_names.index(class_name)
    record = frame_record(serialize_example(decoded.stored, label, file_name, sha256.hex()))
    found = (verdict.normalised, _remarks(file_name, verdict))
    return Prepared(*identity, len(record), decoded.perceptual_hash, *found), record


def _hash(encoded: bytes) -> bytes:
    # Here, because most sets are made without.
    from pipelines.conversion.duplicates import hash_encoded

    return hash_encoded(encoded)


def _remarks(file_name: str, verdict: Verdict) -> tuple[str, ...]:
    suffix = posixpath.splitext(file_name)[1].lower()
    misnamed = verdict.format not in _FORMATS_BY_SUFFIX.get(suffix, (verdict.format,))
    grey = ("greyscale, three equal channels when decoded",) if verdict.grey else ()
    return (*grey, f"{verdict.format} under a name in {suffix}") if misnamed else grey
