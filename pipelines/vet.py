"""Decodes every image once and decides: good as it is, good once normalised, or rejected, and why.

What passes is what the input pipeline can read: `tf.io.decode_image` into three channels. It takes
no notice of EXIF orientation, drops alpha without looking at it, and fails on some of what cameras
and the web produce; such pictures are normalised here, so that nothing later needs to know of them.
"""

import collections
import concurrent.futures
import dataclasses
import hashlib
import io
import itertools
import os
import warnings
from collections.abc import Generator, Iterable

import numpy as np
import tensorflow as tf
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from pipelines.archives import MAX_FILE_BYTES
from pipelines.sources import SourceImage

# About three times what a good camera gives. Decoded, this is 240 MB; beyond it lie bombs.
MAX_PIXELS = 80_000_000

Image.init()  # registers all formats; Pillow itself waits until an image needs them
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")
_PASSING_FORMATS = ("JPEG", "MPO", "PNG")  # MPO: what Pillow calls a JPEG with a preview in it
_LOSSY_FORMATS = ("JPEG", "MPO", "WEBP")


@dataclasses.dataclass(frozen=True)
class Vetted:
    """One image, looked at.

    Attributes:
        source: Where it comes from; its `data` are the source's bytes.
        sha256: Of the source's bytes.
        data: The bytes to store; empty when rejected.
        normalised: Why `data` is not the source's bytes; '' when it is.
        rejected: Why there is nothing to store; '' when there is.
    """

    source: SourceImage
    sha256: str
    data: bytes
    normalised: str = ""
    rejected: str = ""


def vet_images(
    images: Iterable[SourceImage], num_threads: int | None = None
) -> Generator[Vetted, None, None]:
    """Vets `images` on all cores, in their order, with a few at a time in memory.

    Args:
        images: Read one by one, as room is made.
        num_threads: None for one a core. The results do not depend on it.
    """
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    num_threads = num_threads or os.cpu_count() or 1
    pending: collections.deque[concurrent.futures.Future[Vetted]] = collections.deque()
    remaining = iter(images)
    # Threads will do: Pillow and TensorFlow both let go of the interpreter while they decode.
    with concurrent.futures.ThreadPoolExecutor(num_threads) as pool:
        for image in itertools.islice(remaining, 2 * num_threads):
            pending.append(pool.submit(vet_image, image))
        while pending:
            yield pending.popleft().result()
            for image in itertools.islice(remaining, 1):
                pending.append(pool.submit(vet_image, image))


def vet_image(image: SourceImage) -> Vetted:
    """Vets one image; never raises for what its bytes hold."""
    sha256 = hashlib.sha256(image.data).hexdigest()
    try:
        data, normalised = _passed_or_normalised(image.data)
    except _Unfit as error:
        return Vetted(image, sha256, b"", rejected=str(error))
    return Vetted(image, sha256, data, normalised)


class _Unfit(Exception):
    """Why an image is rejected; the same words for the same bytes."""


def _passed_or_normalised(data: bytes) -> tuple[bytes, str]:
    if not data:
        raise _Unfit("empty file")
    if len(data) > MAX_FILE_BYTES:
        raise _Unfit(f"file of more than {MAX_FILE_BYTES} bytes")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise _too_large(f"{picture.width} x {picture.height}")
            picture.load()
            reason = _reason_to_normalise(picture, data)
            stored = _normalise(picture) if reason else data
            size = picture.size
    except UnidentifiedImageError as error:
        raise _Unfit("no image that Pillow can read") from error
    except Image.DecompressionBombError as error:
        raise _too_large("too many") from error
    except _Unfit:
        raise
    except Exception as error:  # Pillow's readers raise whatever damaged bytes lead them to
        raise _Unfit(f"damaged image: {error or type(error).__name__}") from error
    _check_with_tensorflow(stored, None if reason else size)
    return stored, reason


def _reason_to_normalise(picture: Image.Image, data: bytes) -> str:
    if picture.format not in _PASSING_FORMATS:
        return f"{picture.format} file"
    if picture.mode not in ("L", "RGB"):
        return f"{picture.format} of mode {picture.mode}"
    if picture.format == "PNG" and data[24] != 8:  # the bit depth, in the header chunk IHDR
        return f"PNG of {data[24]} bits a channel"
    if picture.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9):
        return f"{picture.format} turned by its EXIF orientation"
    return ""


def _normalise(picture: Image.Image) -> bytes:
    """The picture's first frame, upright, as 8-bit RGB; lossless where the source was."""
    lossy = picture.format in _LOSSY_FORMATS
    upright = ImageOps.exif_transpose(picture)
    # From the pixels alone: Pillow would otherwise copy profiles and comments along.
    plain = Image.fromarray(np.asarray(_as_rgb(upright)))
    stream = io.BytesIO()
    if lossy:
        plain.save(stream, "JPEG", quality=95, subsampling=0)
    else:
        plain.save(stream, "PNG")
    return stream.getvalue()


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
    if picture.mode in ("I", "F"):
        raise _Unfit(f"pixels of mode {picture.mode}, which have no range that could be made 8-bit")
    if picture.has_transparency_data:
        # What lies under full transparency is anything; white is what a page would show.
        opaque = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(opaque, picture.convert("RGBA")).convert("RGB")
    return picture.convert("RGB")


def _check_with_tensorflow(data: bytes, size: tuple[int, int] | None) -> None:
    """Confirms that the op which the input pipeline uses reads it, to the same size."""
    try:
        with tf.device("CPU"):
            pixels = tf.io.decode_image(data, channels=3, expand_animations=False)
    except tf.errors.OpError as error:
        raise _Unfit("TensorFlow cannot decode it, though Pillow can") from error
    if size is not None and tuple(pixels.shape) != (size[1], size[0], 3):
        raise _Unfit(f"TensorFlow decodes it to {tuple(pixels.shape)}, Pillow to {size}")


def _too_large(pixels: str) -> _Unfit:
    return _Unfit(f"{pixels} pixels, more than {MAX_PIXELS}")
