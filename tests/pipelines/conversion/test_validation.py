import dataclasses
import io
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageFile

from pipelines.conversion import validation
from pipelines.conversion.validation import BATCH, Verdict


def _pixels(*shape: int) -> np.ndarray:
    """Smooth colours, which survive a JPEG."""
    ramp = np.linspace(0, 255, int(np.prod(shape))).reshape(shape)
    return ramp.astype(np.uint8)


def _encode(picture: Image.Image, file_format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, file_format, **options)
    return stream.getvalue()


def _vet(data: bytes) -> Verdict:
    (verdict,) = validation.validate([data])
    return verdict


RGB = Image.fromarray(_pixels(30, 40, 3))
GREY = Image.fromarray(_pixels(30, 40))


@pytest.mark.parametrize("picture", [RGB, GREY], ids=["rgb", "grey"])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_good_images_pass_byte_for_byte(picture: Image.Image, file_format: str):
    data = _encode(picture, file_format)
    vetted = _vet(data)
    assert vetted == Verdict(data, file_format, grey=picture.mode == "L")


def _turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return _encode(RGB, "JPEG", exif=exif, quality=95)


RGBA = RGB.copy()
RGBA.putalpha(0)
DEEP = Image.fromarray((_pixels(30, 40).astype(np.uint16) << 8) + 7)


def _stored(verdict: Verdict) -> str:
    with Image.open(io.BytesIO(verdict.data)) as stored:
        return f"stored as {stored.format} of mode {stored.mode}, {stored.width} x {stored.height}"


TO_NORMALISE = {
    "CMYK": (_encode(RGB.convert("CMYK"), "JPEG"), "JPEG of mode CMYK", "JPEG"),
    "turned": (_turned(6), "JPEG turned by its EXIF orientation", "JPEG"),
    "WebP": (_encode(RGB, "WEBP", quality=95), "WEBP file", "JPEG"),
    "palette": (_encode(RGB.quantize(), "PNG"), "PNG of mode P", "PNG"),
    "alpha": (_encode(RGBA, "PNG"), "PNG of mode RGBA", "PNG"),
    "16 bits": (_encode(DEEP, "PNG"), "PNG of mode I;16", "PNG"),
    "1 bit": (_encode(GREY.convert("1"), "PNG"), "PNG of mode 1", "PNG"),
    "GIF": (_encode(RGB, "GIF"), "GIF file", "PNG"),
    "BMP": (_encode(RGB, "BMP"), "BMP file", "PNG"),
    "TIFF": (_encode(RGB, "TIFF"), "TIFF file", "PNG"),
}


@pytest.mark.parametrize("case", TO_NORMALISE)
def test_other_pictures_become_8_bit_rgb(case: str, note_fault: Callable):
    data, reason, stored_format = TO_NORMALISE[case]
    happened = note_fault("bad input", f"picture: {reason}")
    vetted = _vet(data)
    happened(f"normalised, {_stored(vetted)}")
    assert (vetted.normalised, vetted.rejected) == (reason, "")
    with Image.open(io.BytesIO(vetted.data)) as stored:
        assert (stored.format, stored.mode) == (stored_format, "RGB")
        assert stored.size == ((30, 40) if case == "turned" else (40, 30))
    assert vetted.data == _vet(data).data


# How each EXIF orientation lies on disk when the picture itself is RGB.
LAID = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels, 1),
    7: lambda pixels: np.rot90(pixels, 2).transpose(1, 0, 2),
    8: lambda pixels: np.rot90(pixels, -1),
}


@pytest.mark.parametrize("orientation", LAID)
def test_a_turned_picture_becomes_upright(orientation: int, note_fault: Callable):
    happened = note_fault("bad input", f"picture: EXIF orientation {orientation}")
    exif = Image.Exif()
    exif[0x0112] = orientation
    laid = Image.fromarray(np.ascontiguousarray(LAID[orientation](np.asarray(RGB))))
    vetted = _vet(_encode(laid, "JPEG", exif=exif, quality=95))
    decoded = tf.io.decode_image(vetted.data, 3).numpy().astype(int)
    upright = decoded.shape == (30, 40, 3) and np.abs(decoded - np.asarray(RGB)).mean() < 3
    happened("normalised, upright" if upright else "another picture")
    assert upright and vetted.normalised == "JPEG turned by its EXIF orientation"


def test_normalising_keeps_the_picture():
    bmp, turned, deep = (TO_NORMALISE[case][0] for case in ("BMP", "turned", "16 bits"))
    decoded = {name: tf.io.decode_image(_vet(data).data, 3).numpy().astype(int)
               for name, data in (("bmp", bmp), ("turned", turned), ("deep", deep))}  # fmt: skip
    assert np.array_equal(decoded["bmp"], np.asarray(RGB))
    # Orientation 6: the camera was turned, the upright picture is the stored one turned right.
    assert np.abs(decoded["turned"] - np.rot90(np.asarray(RGB), -1)).mean() < 3
    assert np.array_equal(decoded["deep"][..., 0], _pixels(30, 40))


def test_transparent_pixels_become_white():
    vetted = _vet(TO_NORMALISE["alpha"][0])
    assert (tf.io.decode_image(vetted.data).numpy() == 255).all()


def test_a_16_bit_colour_png_is_normalised(note_fault: Callable):
    happened = note_fault("bad input", "picture: PNG of 16 bits a channel")
    pixels = tf.cast(_pixels(30, 40, 3), tf.uint16) * 257
    vetted = _vet(tf.io.encode_png(pixels).numpy())
    happened(f"normalised, {_stored(vetted)}")
    assert vetted.normalised == "PNG of 16 bits a channel"
    assert np.array_equal(tf.io.decode_png(vetted.data), _pixels(30, 40, 3))


def test_an_animation_gives_its_first_frame(note_fault: Callable):
    happened = note_fault("bad input", "picture: animated GIF, red and then blue")
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    vetted = _vet(_encode(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    pixels = tf.io.decode_image(vetted.data).numpy()
    colours = np.unique(pixels.reshape(-1, 3), axis=0).tolist()
    happened(f"normalised, stored with the RGB colours {colours}")
    assert (pixels.shape, colours) == ((30, 40, 3), [[255, 0, 0]])


GOOD = _encode(
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)), "JPEG"
)
BAD = {
    "empty": (b"", "empty file"),
    "text": (b"not an image", "no image that Pillow can read"),
    "truncated PNG": (_encode(RGB, "PNG")[:-30], ""),
    "truncated GIF": (_encode(RGB, "GIF")[:-300], ""),
    "truncated": (GOOD[: len(GOOD) // 2], "damaged image: image file is truncated"),
    "header only": (GOOD[:10], ""),
    "float": (_encode(Image.fromarray(_pixels(30, 40).astype(np.float32)), "TIFF"), "mode F"),
    "PDF": (_encode(RGB, "PDF"), "no image that Pillow can read"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_images_are_rejected_with_the_same_reason_each_time(case: str, note_fault: Callable):
    happened = note_fault("bad input", f"image file: {case}")
    data, reason = BAD[case]
    vetted = _vet(data)
    happened(f"rejected: {vetted.rejected}")
    assert reason in vetted.rejected and vetted.rejected and vetted.data == b""
    assert "0x" not in vetted.rejected  # no addresses: the manifest must not differ between runs


def _chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG, with its checksum."""
    checksum = zlib.crc32(kind + data).to_bytes(4, "big")
    return len(data).to_bytes(4, "big") + kind + data + checksum


def _png_bomb(side: int) -> bytes:
    """A whole PNG of 1 bit a pixel, all black."""
    header = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    rows = zlib.compress(bytes(1 + side // 8) * side, 9)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _resized(file_format: str, start: int, size: bytes) -> bytes:
    """A small picture of which the header says that it is large."""
    data = _encode(Image.new("L", (8, 8)), file_format)
    return data[:start] + size + data[start + len(size) :]


JPEG_FRAME = _encode(Image.new("L", (8, 8)), "JPEG").index(b"\xff\xc0")
BOMBS = {
    "BMP": _resized("BMP", 18, (100_000).to_bytes(4, "little") * 2),
    "GIF": _resized("GIF", 6, b"\xff\xff" * 2),
    "JPEG": _resized("JPEG", JPEG_FRAME + 5, b"\xff\xff" * 2),
    "PNG": _png_bomb(9_600),
    "a larger PNG": _png_bomb(40_000),
}


@pytest.mark.parametrize("case", BOMBS)
def test_a_bomb_is_refused_by_its_header(
    case: str, monkeypatch: pytest.MonkeyPatch, note_fault: Callable
):
    happened = note_fault("bad input", f"bomb: {case} of {len(BOMBS[case]):,} bytes")
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda picture: pytest.fail("it was decoded"))
    vetted = _vet(BOMBS[case])
    happened(f"rejected: {vetted.rejected}")
    assert "pixels, more than 80000000" in vetted.rejected and not vetted.data


def test_too_many_pixels_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(validation, "MAX_PIXELS", 1199)
    assert _vet(GOOD).rejected == "40 x 30 pixels, more than 1199"


def test_what_tensorflow_cannot_decode_is_rejected(monkeypatch: pytest.MonkeyPatch):
    def refuse(*arguments: object, **options: object) -> None:
        raise tf.errors.InvalidArgumentError(None, None, "no")

    monkeypatch.setattr(validation, "_decoded_shapes", refuse)
    monkeypatch.setattr(tf.io, "decode_jpeg", refuse)
    assert _vet(GOOD).rejected == "TensorFlow cannot decode it, though Pillow can"


def test_a_bad_image_does_not_spoil_the_others_of_its_batch():
    good = [_encode(Image.new("RGB", (n + 1, 5), (n, 0, 0)), "PNG") for n in range(BATCH - 1)]
    verdicts = validation.validate([*good[:7], GOOD[: len(GOOD) // 2], *good[7:]])
    assert [bool(verdict.rejected) for verdict in verdicts] == [n == 7 for n in range(BATCH)]
    assert [verdict.data for verdict in verdicts if not verdict.rejected] == good
    assert validation.validate([]) == []


def test_a_header_that_lies_about_the_size_is_rejected():
    # Eight pixels less in the JPEG's frame header for Pillow than TensorFlow decodes: impossible
    # with the same bytes, so the decoder is made to disagree.
    (header,) = validation.read_headers([GOOD])
    assert isinstance(header, validation.Header)
    wrong = dataclasses.replace(header, size=(32, 30))
    (verdict,) = validation.validate([GOOD], [wrong])
    assert verdict.rejected == "TensorFlow decodes it to another size than the header's 32 x 30"


JPEG_KINDS: list[dict[str, object]] = [
    {}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_blocks": 3}, {"quality": 20},
]  # fmt: skip


def test_jpegs_are_accepted_just_where_they_can_be_decoded_at_full_size():
    """Vetting decodes them at an eighth of it."""
    generator = np.random.default_rng(1)
    accepted = 0
    for number in range(1_600):
        height, width = generator.integers(1, 60, 2)
        pixels = generator.integers(0, 256, (height, width, 3), np.uint8)
        picture = Image.fromarray(pixels).convert("L" if number % 4 == 0 else "RGB")
        data = _mutated(_encode(picture, "JPEG", **JPEG_KINDS[number % len(JPEG_KINDS)]), generator)
        (header,) = validation.read_headers([data])
        if not isinstance(header, validation.Header) or header.reason:
            continue
        try:
            shape = tuple(tf.io.decode_image(data, 3, expand_animations=False).shape)
        except tf.errors.OpError:
            shape = ()
        assert bool(_vet(data).rejected) == (shape != (*header.size[::-1], 3))
        accepted += bool(shape)
    assert 400 < accepted < 1_200


def test_large_images_are_decoded_alone_to_the_same_verdict(monkeypatch: pytest.MonkeyPatch):
    together = validation.validate([GOOD, GOOD[:700], GOOD])
    monkeypatch.setattr(validation, "_MAX_PIXELS_IN_BATCH", 0)
    assert validation.validate([GOOD, GOOD[:700], GOOD]) == together


MUTANTS = 5000


def test_whatever_the_bytes_the_verdict_is_a_picture_or_a_reason(note_fault: Callable):
    """Flipped, cut, deleted and added bytes: never an error, and what passes can be decoded."""
    happened = note_fault("bad input", f"{MUTANTS:,} mutations of image files")
    generator = np.random.default_rng(0)
    # As good as those that pass as they are: most of what comes is of that kind.
    originals = [GOOD, _encode(RGB, "PNG")] * 5
    originals += [data for data, _, _ in TO_NORMALISE.values()]
    mutants = [_mutated(originals[n % len(originals)], generator) for n in range(MUTANTS)]
    verdicts = [
        verdict
        for start in range(0, MUTANTS, BATCH)
        for verdict in validation.validate(mutants[start : start + BATCH])
    ]
    rejected = sum(bool(verdict.rejected) for verdict in verdicts)
    happened(f"{rejected:,} rejected with a reason, {len(verdicts) - rejected:,} can be decoded")
    assert len(verdicts) == MUTANTS
    for verdict in verdicts:
        assert bool(verdict.data) != bool(verdict.rejected)
        if verdict.data:
            assert tf.io.decode_image(verdict.data, 3, expand_animations=False).shape[2] == 3
    assert 0 < rejected < MUTANTS


def _mutated(data: bytes, generator: np.random.Generator) -> bytes:
    start, length = int(generator.integers(len(data))), int(generator.integers(1, 40))
    changed = bytearray(data)
    match generator.integers(4):
        case 0:
            changed[start] ^= 1 << int(generator.integers(8))
        case 1:
            del changed[start:]
        case 2:
            del changed[start : start + length]
        case _:
            changed[start:start] = generator.bytes(length)
    return bytes(changed)
