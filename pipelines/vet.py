"""Decodes every image once and decides: good as it is, good once normalised, or rejected, and why.

What passes is what the input pipeline can read: `tf.io.decode_image` into three channels. It takes
no notice of EXIF orientation, drops alpha without looking at it, and fails on some of what cameras
and the web produce; such pictures are normalised here, so that nothing later needs to know of them.
"""

import contextlib
import dataclasses
import functools
import io
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from pipelines.sources.archives import MAX_FILE_BYTES

# About three times what a good camera gives. Decoded, this is 240 MB; beyond it lie bombs.
MAX_PIXELS = 80_000_000
# Images decoded in one call, which saves small ones the cost of a call each; larger ones, of which
# that many together would fill the memory, are decoded one by one.
BATCH = 32
_MAX_PIXELS_IN_BATCH = 1_000_000

Image.init()  # registers all formats; Pillow itself waits until an image needs them
warnings.filterwarnings("ignore", module=r"PIL\.")  # what is wrong, the verdict says
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")
_PASSING_FORMATS = ("JPEG", "MPO", "PNG")  # MPO: what Pillow calls a JPEG with a preview in it
_LOSSY_FORMATS = ("JPEG", "MPO", "WEBP")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What is to become of one image.

    Attributes:
        data: The bytes to store, a JPEG or PNG; empty when rejected.
        format: What the source's bytes are, as Pillow names it ('JPEG', 'PNG', ...).
        grey: Whether the source's bytes have no colour; they decode to three equal channels.
        normalised: Why `data` is not the source's bytes; '' when it is.
        rejected: Why there is nothing to store; '' when there is.
    """

    data: bytes = b""
    format: str = ""
    grey: bool = False
    normalised: str = ""
    rejected: str = ""


def vet(files: Sequence[bytes]) -> list[Verdict]:
    """Vets images, each decoded to its last pixel; never raises for what the bytes hold.

    Args:
        files: The bytes of at most `BATCH` files.
    """
    headers = [_read_header(data) for data in files]
    together = [
        index
        for index, header in enumerate(headers)
        if isinstance(header, _Header) and header.passes_in_batch
    ]
    sizes = _decode_together([files[index] for index in together])
    passed = dict(zip(together, sizes, strict=True))
    return [
        Verdict(data, header.format, header.grey)
        if isinstance(header, _Header) and passed.get(index) == header.size
        else _vet_alone(data, header)
        for index, (data, header) in enumerate(zip(files, headers, strict=True))
    ]


def _vet_alone(data: bytes, header: "_Header | _Unfit") -> Verdict:
    if isinstance(header, _Unfit):
        return Verdict(rejected=str(header))
    try:
        if header.reason:
            stored = _normalise(data)
            _check_with_tensorflow(stored, None)
            return Verdict(stored, header.format, header.grey, header.reason)
        _check_with_tensorflow(data, header.size)
        return Verdict(data, header.format, header.grey)
    except _Unfit as error:
        return Verdict(format=header.format, rejected=str(error))


@dataclasses.dataclass(frozen=True)
class _Header:
    """What an image's header says: its (width, height), and why to normalise it, among others."""

    format: str
    grey: bool
    size: tuple[int, int]
    reason: str

    @property
    def passes_in_batch(self) -> bool:
        return not self.reason and self.size[0] * self.size[1] <= _MAX_PIXELS_IN_BATCH


class _Unfit(Exception):
    """Why an image is rejected; the same words for the same bytes."""


def _read_header(data: bytes) -> "_Header | _Unfit":
    if not data:
        return _Unfit("empty file")
    if len(data) > MAX_FILE_BYTES:
        return _Unfit(f"file of more than {MAX_FILE_BYTES} bytes")
    try:
        with _open(data) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise _too_large(f"{picture.width} x {picture.height}")
            reason = _reason_to_normalise(picture, data)
            return _Header(picture.format or "", picture.mode == "L", picture.size, reason)
    except _Unfit as error:
        return error


@contextlib.contextmanager
def _open(data: bytes) -> Iterator[Image.Image]:
    """The picture in `data`, its pixels not yet decoded; whatever goes wrong is `_Unfit`."""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            yield picture
    except UnidentifiedImageError as error:
        raise _Unfit("no image that Pillow can read") from error
    except Image.DecompressionBombError as error:
        raise _too_large("too many") from error
    except _Unfit:
        raise
    except Exception as error:  # Pillow's readers raise whatever damaged bytes lead them to
        raise _Unfit(f"damaged image: {error or type(error).__name__}") from error


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


def _normalise(data: bytes) -> bytes:
    """The picture's first frame, upright, as 8-bit RGB; lossless where the source was."""
    with _open(data) as picture:
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
        with _open(data) as picture:
            picture.load()  # says better what is wrong
        raise _Unfit("TensorFlow cannot decode it, though Pillow can") from error
    if size is not None and tuple(pixels.shape) != (size[1], size[0], 3):
        raise _Unfit(f"TensorFlow decodes it to {tuple(pixels.shape)}, Pillow to {size}")


def _decode_together(images: list[bytes]) -> list[tuple[int, int] | None]:
    """The (width, height) of each image after decoding, or None each if one cannot be decoded."""
    if not images:
        return []
    # A graph of a fixed number of ops is traced once; what is too much is cut off again.
    padded = images + [_ONE_PIXEL] * (BATCH - len(images))
    try:
        with tf.device("CPU"):
            shapes = _decoded_shapes(tf.constant(padded)).numpy()
    except tf.errors.OpError:
        return [None] * len(images)
    return [(int(width), int(height)) for height, width, _ in shapes[: len(images)]]


@tf.function(input_signature=[tf.TensorSpec([BATCH], tf.string)])
def _decoded_shapes(images: tf.Tensor) -> tf.Tensor:
    decode = functools.partial(tf.io.decode_image, channels=3, expand_animations=False)
    return tf.stack([tf.shape(decode(image)) for image in tf.unstack(images)])


def _too_large(pixels: str) -> _Unfit:
    return _Unfit(f"{pixels} pixels, more than {MAX_PIXELS}")


def _one_pixel() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "PNG")
    return stream.getvalue()


_ONE_PIXEL = _one_pixel()
