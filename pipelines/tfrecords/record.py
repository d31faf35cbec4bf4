"""The TFRecord file format: how a record is framed, and how a file of them is walked.

A record is framed as a length (8 bytes, little-endian), the masked CRC-32C of these 8 bytes, the
data, and the masked CRC-32C of the data. Source of the format and of the mask: "TFRecord and
tf.train.Example" in TensorFlow's guide. TensorFlow's own reader gives no error for a file that ends
between two frames or within a length, and none that names the record; this one does.
"""

import io
import struct
from collections.abc import Iterator
from typing import IO

import google_crc32c

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
HEADER_BYTES = _LENGTH.size + _CRC.size
FRAME_BYTES = HEADER_BYTES + _CRC.size  # what framing adds to a record


class DamagedRecordError(ValueError):
    """A frame that is not as it was written.

    Attributes:
        record: Its number in the file, from 0.
        is_last: Whether the file cannot be read further.
    """

    def __init__(self, record: int, problem: str, is_last: bool = True):
        super().__init__(problem)
        self.record = record
        self.is_last = is_last


def frame_record(data: bytes) -> bytes:
    """`data` as it stands in a TFRecord file."""
    length = _LENGTH.pack(len(data))
    return b"".join((length, _masked_crc(length), data, _masked_crc(data)))


def is_header(data: bytes) -> bool:
    """Whether `data` is the whole header of a frame: a length that agrees with its checksum."""
    return data[_LENGTH.size :] == _masked_crc(data[: _LENGTH.size])


def scan_records(stream: IO[bytes], num_bytes: int) -> Iterator[bytes | DamagedRecordError]:
    """The records of an uncompressed TFRecord file, and in place of a damaged one what it has.

    After a record whose data alone is damaged comes the next one. What follows a damaged length
    cannot be found again, so that the error is the last item then.

    Args:
        stream: The file, at its start. Only one record at a time is held in memory.
        num_bytes: The size of the file.
    """
    left = num_bytes
    record = 0
    while left > 0:
        header = stream.read(min(HEADER_BYTES, left))
        if len(header) < HEADER_BYTES:
            yield DamagedRecordError(
                record, f"its header is cut: {len(header)} of {HEADER_BYTES} bytes"
            )
            return
        if not is_header(header):
            yield DamagedRecordError(
                record, "its length does not agree with its checksum; no record after it is found"
            )
            return
        expected = _LENGTH.unpack_from(header)[0] + _CRC.size
        left -= HEADER_BYTES
        # No more than there is: a false length is no reason to ask for memory.
        frame = stream.read(min(expected, left))
        if len(frame) < expected:
            yield DamagedRecordError(
                record, f"it is cut: {len(frame)} of {expected} bytes after its header"
            )
            return
        data = frame[: -_CRC.size]
        if frame[-_CRC.size :] == _masked_crc(data):
            yield data
        else:
            yield DamagedRecordError(record, "its data does not agree with its checksum", False)
        left -= expected
        record += 1


def read_records(contents: bytes | memoryview) -> Iterator[bytes]:
    """The records in the contents of an uncompressed TFRecord file, in their order.

    Raises:
        DamagedRecordError: at the first frame that is cut or whose checksums do not agree.
    """
    for record in scan_records(io.BytesIO(contents), len(contents)):
        if isinstance(record, DamagedRecordError):
            raise record
        yield record


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return _CRC.pack(((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
