import hashlib
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines.conversion.validation import Choices, Prepared, prepare
from pipelines.loading.decode import decode_and_resize
from pipelines.sources import SourceImage
from pipelines.tfrecords.record import parse_example, read_records

AS_THEY_ARE = Choices(("cats", "dogs"), image_size=None, hashed=False)


def _encoded(file_format: str, mode: str = "RGB") -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, file_format)
    return stream.getvalue()


def _prepare(data: bytes, choices: Choices = AS_THEY_ARE, name: str = "dogs/1.jpg"):
    ((prepared, record),) = prepare([SourceImage("dogs", name, lambda: data, "test")], choices)
    return prepared, record


def _features(record: bytes) -> dict[str, object]:
    (data,) = read_records(record)
    return {name: value.numpy() for name, value in parse_example(tf.constant(data)).items()}


def test_a_record_holds_the_image_and_where_it_comes_from():
    data = _encoded("JPEG")
    name = "dogs/a b\n\udcff.jpg"
    prepared, record = _prepare(data, name=name)
    sha256 = hashlib.sha256(data)
    assert prepared == Prepared(name, "dogs", "test", sha256.digest(), len(data), len(record))
    assert _features(record) == {
        "image": data, "label": 1, "file_name": b"dogs/a b\n\xff.jpg",
        "sha256": sha256.hexdigest().encode(),
    }  # fmt: skip


def test_raw_records_hold_the_pixels_that_decoding_would_give():
    data = _encoded("JPEG")
    _, record = _prepare(data, Choices(("cats", "dogs"), image_size=16, hashed=False))
    stored = _features(record)["image"]
    assert stored == tf.function(decode_and_resize)(tf.constant(data), 16).numpy().tobytes()
    assert len(stored) == 16 * 16 * 3


def test_a_rejected_image_has_no_record():
    prepared, record = _prepare(b"no image")
    assert record == b"" and prepared.rejected and prepared.record_bytes == 0


@pytest.mark.parametrize(
    ("data", "name", "remarks"),
    [
        (_encoded("JPEG"), "1.JPEG", ()),
        (_encoded("JPEG"), "without", ()),
        (_encoded("PNG"), "1.jpg", ("PNG under a name in .jpg",)),
        (_encoded("GIF"), "1.jpg", ("GIF under a name in .jpg",)),
        (_encoded("JPEG", "L"), "1.jpg", ("greyscale, three equal channels when decoded",)),
    ],
)
def test_remarks(data: bytes, name: str, remarks: tuple[str, ...]):
    prepared, _ = _prepare(data, name=name)
    assert prepared.remarks == remarks and not prepared.rejected


def test_the_hash_is_made_only_where_it_is_wanted():
    data = _encoded("JPEG")
    assert _prepare(data)[0].perceptual_hash == b""
    assert _prepare(data, Choices(("cats", "dogs"), None, hashed=True))[0].perceptual_hash
