"""Decodes every image once, decides what becomes of it, and makes its record.

An image is good as it is, good once normalised, or rejected, and why. What passes is what the input
pipeline can read: `tf.io.decode_image` into three channels. It takes no notice of EXIF orientation,
drops alpha without looking at it, and fails on some of what cameras and the web produce; such
pictures are normalised here, so that nothing later needs to know of them.

What happens to an image depends on nothing but the image and a few choices, so that any thread,
process or machine may do it. Where its record goes is decided when all images have been seen.
"""

import contextlib
import dataclasses
import functools
import hashlib
import io
import posixpath
import re
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from pipelines.loading.decode import decode_to_pixels
from pipelines.sources.base import MAX_FILE_BYTES, SourceImage
from pipelines.tfrecords.record import frame_record, serialize_example

# About three times what a good camera gives. Decoded, this is 240 MB; beyond it lie bombs.
MAX_PIXELS = 80_000_000
# Images decoded in one call, which saves small ones the cost of a call each; larger ones, of which
# that many together would fill the memory, are decoded one by one.
BATCH = 64
_MAX_PIXELS_IN_BATCH = 1_000_000
# JPEGs are decoded at an eighth of their size. All of the compressed data is decoded and checked
# all the same; what is spared are the inverse transform and the colours of single pixels, which
# are arithmetic that cannot fail, and a third of the time. Its tests compare the verdicts with
# those at full size.
_JPEG_RATIO = 8

Image.init()  # registers all formats; Pillow itself waits until an image needs them
warnings.filterwarnings("ignore", module=r"PIL\.")  # what is wrong, the verdict says
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")
_JPEG_FORMATS = ("JPEG", "MPO")  # MPO: what Pillow calls a JPEG with a preview in it
_PASSING_FORMATS = (*_JPEG_FORMATS, "PNG")
_LOSSY_FORMATS = (*_JPEG_FORMATS, "WEBP")
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
class Verdict:
    """What is to become of one image."""

    data: bytes = b""  # the bytes to store, a JPEG or PNG; empty when rejected
    format: str = ""  # what the source's bytes are, as Pillow names it ('JPEG', 'PNG', ...)
    # Whether the source's bytes have no colour; they decode to three equal channels.
    grey: bool = False
    normalised: str = ""  # why `data` is not the source's bytes; '' when it is
    rejected: str = ""  # why there is nothing to store; '' when there is


@dataclasses.dataclass(frozen=True, slots=True)
class Header:
    """What an image's header says."""

    format: str  # as Pillow names it
    grey: bool  # whether it has no colour
    size: tuple[int, int]  # (width, height) in pixels
    reason: str  # why the image is to be normalised; '' when it is not

    @property
    def is_jpeg(self) -> bool:
        return self.format in _JPEG_FORMATS

    @property
    def fits_in_batch(self) -> bool:
        """Whether it is small, and to be stored as it is."""
        return not self.reason and self.size[0] * self.size[1] <= _MAX_PIXELS_IN_BATCH

    @property
    def decoded_shape(self) -> tuple[int, int, int]:
        """What `_decoded_shape` gives where TensorFlow reads the size that Pillow does."""
        ratio = _JPEG_RATIO if self.is_jpeg else 1
        width, height = self.size
        return -(-height // ratio), -(-width // ratio), 3


class UnusableImage(Exception):
    """Why an image is rejected; the same words for the same bytes."""


def read_headers(files: Sequence[bytes]) -> list[Header | UnusableImage]:
    """What can be told without decoding; never raises for what the bytes hold."""
    headers: list[Header | UnusableImage] = []
    for data in files:
        try:
            headers.append(_read_header(data))
        except UnusableImage as error:
            headers.append(error)
    return headers


def validate(
    files: Sequence[bytes], headers: Sequence[Header | UnusableImage] | None = None
) -> list[Verdict]:
    """Decides on at most `BATCH` files, each decoded to its last byte; what they hold never raises.

    `headers` are what `read_headers` gives for them; None to have it called.
    """
    headers = read_headers(files) if headers is None else headers
    passed = {*_decode_together(files, headers, True), *_decode_together(files, headers, False)}
    return [
        Verdict(data, header.format, header.grey)
        if isinstance(header, Header) and index in passed
        else _validate_alone(data, header)
        for index, (data, header) in enumerate(zip(files, headers, strict=True))
    ]


def _validate_alone(data: bytes, header: Header | UnusableImage) -> Verdict:
    if isinstance(header, UnusableImage):
        return Verdict(rejected=str(header))
    try:
        stored = _normalise(data) if header.reason else data
        _check_with_tensorflow(stored, _read_header(stored) if header.reason else header)
        return Verdict(stored, header.format, header.grey, header.reason)
    except UnusableImage as error:
        return Verdict(format=header.format, rejected=str(error))


def _read_header(data: bytes) -> Header:
    if not data:
        raise UnusableImage("empty file")
    if len(data) > MAX_FILE_BYTES:
        raise UnusableImage(f"file of more than {MAX_FILE_BYTES} bytes")
    with _open(data) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise _too_large(f"{picture.width} x {picture.height}")
        reason = _reason_to_normalise(picture, data)
        return Header(picture.format or "", picture.mode == "L", picture.size, reason)


@contextlib.contextmanager
def _open(data: bytes) -> Iterator[Image.Image]:
    """The picture in `data`, its pixels not yet decoded; whatever goes wrong is `UnusableImage`."""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            yield picture
    except UnidentifiedImageError as error:
        raise UnusableImage("no image that Pillow can read") from error
    except Image.DecompressionBombError as error:
        raise _too_large("too many") from error
    except UnusableImage:
        raise
    except Exception as error:  # Pillow's readers raise whatever damaged bytes lead them to
        # Without Pillow's count of bytes, so that the same damage has the same name.
        problem = re.sub(r" \(\d+ bytes not processed\)", "", str(error))
        raise UnusableImage(f"damaged image: {problem or type(error).__name__}") from error


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
    return _encoded(plain, "JPEG", quality=95, subsampling=0) if lossy else _encoded(plain, "PNG")


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
    if picture.mode in ("I", "F"):
        raise UnusableImage(
            f"pixels of mode {picture.mode}, which have no range that could be made 8-bit"
        )
    if picture.has_transparency_data:
        # What lies under full transparency is anything; white is what a page would show.
        opaque = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(opaque, picture.convert("RGBA")).convert("RGB")
    return picture.convert("RGB")


def _check_with_tensorflow(data: bytes, header: Header) -> None:
    """Confirms that TensorFlow reads an image, to the same size as Pillow."""
    try:
        with tf.device("CPU"):
            shape = tuple(_decoded_shape(tf.constant(data), header.is_jpeg).numpy().tolist())
    except tf.errors.OpError as error:
        with _open(data) as picture:
            picture.load()  # says better what is wrong
        raise UnusableImage("TensorFlow cannot decode it, though Pillow can") from error
    if shape != header.decoded_shape:
        width, height = header.size
        raise UnusableImage(
            f"TensorFlow decodes it to another size than the header's {width} x {height}"
        )


def _decode_together(
    files: Sequence[bytes], headers: Sequence[Header | UnusableImage], are_jpegs: bool
) -> list[int]:
    """Which of the files that are JPEGs, or are not, TensorFlow reads as it should.

    None of them when it does not read one; those that are large or to be normalised are left out.
    """
    expected = {
        index: header.decoded_shape
        for index, header in enumerate(headers)
        if isinstance(header, Header) and header.is_jpeg == are_jpegs and header.fits_in_batch
    }
    if not expected:
        return []
    # A graph of a fixed number of ops is traced once; what is too much is cut off again.
    padding = [_ONE_PIXEL[are_jpegs]] * (BATCH - len(expected))
    try:
        with tf.device("CPU"):
            images = tf.constant([files[index] for index in expected] + padding)
            shapes = _decoded_shapes(images, are_jpegs).numpy().tolist()
    except tf.errors.OpError:
        return []
    found = zip(expected.items(), shapes[: len(expected)], strict=True)
    return [index for (index, shape), decoded in found if tuple(decoded) == shape]


@functools.partial(tf.function, autograph=False)
def _decoded_shapes(images: tf.Tensor, are_jpegs: bool) -> tf.Tensor:
    return tf.stack([_decoded_shape(image, are_jpegs) for image in tf.unstack(images)])


def _decoded_shape(image: tf.Tensor, is_jpeg: bool) -> tf.Tensor:
    """Decodes by the code that `tf.io.decode_image` in the input pipeline leads to."""
    if is_jpeg:
        return tf.shape(tf.io.decode_jpeg(image, channels=3, ratio=_JPEG_RATIO))
    return tf.shape(tf.io.decode_image(image, channels=3, expand_animations=False))


def _too_large(pixels: str) -> UnusableImage:
    return UnusableImage(f"{pixels} pixels, more than {MAX_PIXELS}")


def _encoded(picture: Image.Image, file_format: str, **options: int) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, file_format, **options)
    return stream.getvalue()


_PIXEL = Image.new("RGB", (1, 1))
_ONE_PIXEL = {True: _encoded(_PIXEL, "JPEG"), False: _encoded(_PIXEL, "PNG")}


# From an image to its record.


@dataclasses.dataclass(frozen=True)
class Choices:
    """What decides, beside the image, what its record holds."""

    class_names: tuple[str, ...]  # in label order
    image_size: int | None  # None to store encoded bytes; else pixels of this height and width
    hashed: bool  # whether a perceptual hash is wanted


@dataclasses.dataclass(frozen=True, slots=True)
class Prepared:
    """What is known of one image when its record is made."""

    file_name: str  # as the source gives it
    class_name: str
    split: str  # as the source assigns it, or ''
    sha256: bytes  # SHA-256 of the source's bytes, 32 bytes
    source_bytes: int  # how many bytes the source has
    record_bytes: int = 0  # how many bytes its record takes in a shard; 0 when rejected
    perceptual_hash: bytes = b""  # empty unless wanted, or when rejected
    normalised: str = ""  # why its bytes are not the source's; '' when they are
    # What else was found that a reader of the manifest may want to know.
    remarks: tuple[str, ...] = ()
    rejected: str = ""  # why there is no record; '' when there is


# What came of decoding one image: the verdict, what a record is to store, and a hash or b"".
Decoded = tuple[Verdict, bytes, bytes]


def prepare(images: Sequence[SourceImage], choices: Choices) -> list[tuple[Prepared, bytes]]:
    """Reads, validates and serializes images, at most `BATCH` of them.

    Its steps may be taken one by one. `read_headers` and `make_records` are Python's work, for one
    thread. Decoding takes longest, and other threads may do it at the same time.

    Returns:
        For each image what is known of it, and its record as it stands in a shard, or b"".

    Raises:
        InputError: when a file cannot be read; what it holds is never an error here.
    """
    files = [image.read() for image in images]
    decoded = decode_images(files, read_headers(files), choices)
    return list(make_records(images, files, decoded, choices))


def decode_images(
    files: Sequence[bytes], headers: Sequence[Header | UnusableImage], choices: Choices
) -> list[Decoded]:
    """Validates images, and makes of them what their records store."""
    return [_decoded(verdict, choices) for verdict in validate(files, headers)]


def _decoded(verdict: Verdict, choices: Choices) -> Decoded:
    if verdict.rejected:
        return verdict, b"", b""
    size = choices.image_size
    stored = decode_to_pixels(verdict.data, size) if size else verdict.data
    if not choices.hashed:
        return verdict, stored, b""
    from pipelines.conversion.duplicates import hash_encoded  # most sets are made without

    return verdict, stored, hash_encoded(verdict.data)


def make_records(
    images: Sequence[SourceImage],
    files: Sequence[bytes],
    decoded: Sequence[Decoded],
    choices: Choices,
) -> Iterator[tuple[Prepared, bytes]]:
    """Yields what `prepare` returns, of `images` that were read as `files`."""
    for image, data, (verdict, stored, perceptual_hash) in zip(images, files, decoded, strict=True):
        sha256, name = hashlib.sha256(data), image.file_name
        identity = (name, image.class_name, image.split, sha256.digest(), len(data))
        if verdict.rejected:
            yield Prepared(*identity, rejected=verdict.rejected), b""
            continue
        label = choices.class_names.index(image.class_name)
        record = frame_record(serialize_example(stored, label, name, sha256.hexdigest()))
        found = (perceptual_hash, verdict.normalised, _remarks(name, verdict))
        yield Prepared(*identity, len(record), *found), record


def _remarks(file_name: str, verdict: Verdict) -> tuple[str, ...]:
    suffix = posixpath.splitext(file_name)[1].lower()
    misnamed = verdict.format not in _FORMATS_BY_SUFFIX.get(suffix, (verdict.format,))
    grey = ("greyscale, three equal channels when decoded",) if verdict.grey else ()
    return (*grey, f"{verdict.format} under a name in {suffix}") if misnamed else grey
