"""One image of a source becomes one record of a shard, or the reason why not.

What happens to an image depends on nothing but the image and a few choices, so that any thread,
process or machine may do it. Where its record goes is decided when all images have been seen.
"""

import dataclasses
import hashlib
import posixpath
from collections.abc import Sequence

from pipelines.decode import decode_to_pixels
from pipelines.example import serialize_example
from pipelines.records import frame_record
from pipelines.sources import SourceImage
from pipelines.vet import Verdict, vet

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


def prepare(images: Sequence[SourceImage], choices: Choices) -> list[tuple[Prepared, bytes]]:
    """Reads, vets and serializes images.

    Args:
        images: At most `vet.BATCH` of them.
        choices: What their records hold.

    Returns:
        For each image what is known of it, and its record as it stands in a shard, or b"".

    Raises:
        InputError: when a file cannot be read; what it holds is never an error here.
    """
    files = [image.read() for image in images]
    return [
        _prepared(image, data, verdict, choices)
        for image, data, verdict in zip(images, files, vet(files), strict=True)
    ]


def _prepared(
    image: SourceImage, data: bytes, verdict: Verdict, choices: Choices
) -> tuple[Prepared, bytes]:
    sha256 = hashlib.sha256(data)
    identity = (image.file_name, image.class_name, image.split, sha256.digest(), len(data))
    if verdict.rejected:
        return Prepared(*identity, rejected=verdict.rejected), b""
    size = choices.image_size
    stored = decode_to_pixels(verdict.data, size) if size else verdict.data
    label = choices.class_names.index(image.class_name)
    record = frame_record(serialize_example(stored, label, image.file_name, sha256.hexdigest()))
    perceptual_hash = _hash(verdict.data) if choices.hashed else b""
    remarks = _remarks(image.file_name, verdict)
    return Prepared(*identity, len(record), perceptual_hash, verdict.normalised, remarks), record


def _hash(encoded: bytes) -> bytes:
    # Here, because most sets are made without.
    from pipelines.duplicates import hash_encoded

    return hash_encoded(encoded)


def _remarks(file_name: str, verdict: Verdict) -> tuple[str, ...]:
    suffix = posixpath.splitext(file_name)[1].lower()
    misnamed = verdict.format not in _FORMATS_BY_SUFFIX.get(suffix, (verdict.format,))
    grey = ("greyscale, three equal channels when decoded",) if verdict.grey else ()
    return (*grey, f"{verdict.format} under a name in {suffix}") if misnamed else grey
