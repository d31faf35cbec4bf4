"""A checkpoint comes back to the last bit, or is refused: whatever became of its bytes."""

import collections
import io
import json
import pickle
import zipfile

import numpy as np
import pytest

from tests.trainer.checkpoint_samples import as_bytes, content, read_bytes, sample
from trainer.checkpoint import (
    FORMAT_VERSION,
    DamagedCheckpointError,
    checkpoint_name,
    read_checkpoint,
    read_meta,
    step_of,
)
from trainer.run_state import RunState


@pytest.fixture(scope="module")
def whole():
    return as_bytes(sample())


def test_comes_back_to_the_last_bit(whole, tmp_path):
    (tmp_path / "file.npz").write_bytes(whole)
    for got in (read_bytes(whole), read_checkpoint(tmp_path / "file.npz")):
        assert content(got) == content(sample())
    assert np.signbit(got.arrays["model/000"][0, 1])
    assert np.isnan(got.state.sums[0]) and got.state.sums[1] == float("-inf")


def test_more_than_a_thousand_best_weights_keep_their_order():
    best = [np.array(number) for number in range(1002)]
    assert [int(array) for array in read_bytes(as_bytes(sample(best=best))).best] == [*range(1002)]


def outcomes(damaged, expected, read=read_bytes):
    """What reading each of the damaged files comes to: refused, or equal to what was written."""
    seen = collections.Counter()
    for place, data in damaged:
        try:
            got = read(data)
        except DamagedCheckpointError as error:
            assert str(error).strip() and "\n" not in str(error)
            seen["refused"] += 1
        else:
            assert content(got) == expected, f"other values, damaged at byte {place}"
            seen["read as written"] += 1
    return seen


def flipped(data, place, bit):
    damaged = bytearray(data)
    damaged[place] ^= 1 << bit
    return bytes(damaged)


@pytest.mark.parametrize("bit", [0, 1, 2, 3, 4, 5, 6, 7])
def test_a_flipped_bit_changes_no_value(whole, bit, note_fault):
    happened = note_fault("checkpoints", "a flipped bit, in turn in each byte of one")
    places = range(len(whole))
    seen = outcomes([(place, flipped(whole, place, bit)) for place in places], content(sample()))
    happened(f"{seen['refused']:,} refused, {seen['read as written']:,} read as written")
    assert seen["refused"] > 0.5 * len(whole)


def test_a_flipped_bit_in_the_end_of_a_file(whole, tmp_path):
    """Files refuse to go to places before their beginning in another way than bytes do."""

    def read(data):
        (tmp_path / "file.npz").write_bytes(data)
        return read_checkpoint(tmp_path / "file.npz")

    damaged = [
        (place, flipped(whole, place, bit))
        for place in range(len(whole) - 22, len(whole))
        for bit in range(8)
    ]
    assert outcomes(damaged, content(sample()), read)["refused"] > 22


def test_a_damaged_header_of_an_array_does_not_shorten_it():
    """The bytes that it leaves unread are more than a reader has in its buffer."""
    arrays = {"model/000": np.arange(5120, dtype=np.float32)}
    data = as_bytes(sample(arrays=arrays))
    place = data.index(b"(5120,)") + 1
    with pytest.raises(DamagedCheckpointError, match="Bad CRC-32"):
        read_bytes(flipped(data, place, 2))  # (1120,)


def test_a_file_cut_at_any_length_is_refused(whole, note_fault):
    happened = note_fault("checkpoints", "one cut at every length")
    seen = outcomes(((length, whole[:length]) for length in range(len(whole))), "")
    happened(f"{seen['refused']:,} lengths refused")
    assert seen == {"refused": len(whole)}


def rewritten(whole, change, other=None):
    """The archive with another `meta.json`, whose checksums are right."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "meta.json.npy":
                meta = json.loads(np.lib.format.read_array(io.BytesIO(data)).tobytes())
                text = np.frombuffer(json.dumps(change(meta)).encode(), np.uint8)
                packed = io.BytesIO()
                np.lib.format.write_array(packed, text)
                data = packed.getvalue()
            new.writestr(name, data)
        for name, data in (other or {}).items():
            new.writestr(name, data)
    return stream.getvalue()


def pickled(whole):
    array = io.BytesIO()
    np.lib.format.write_array(array, np.array([{"a": 1}], object), allow_pickle=True)
    return rewritten(whole, lambda meta: meta, {"variables/model/003.npy": array.getvalue()})


def said_to_be_compressed(whole):
    data = bytearray(whole)
    data[data.index(b"PK\1\2") + 10] = zipfile.ZIP_DEFLATED
    data[data.index(b"\x93NUMPY")] = 0xFF
    return bytes(data)


FAULTS = {
    "an empty file": (lambda whole: b"", "not a zip file"),
    "another format version": (
        lambda whole: rewritten(whole, lambda meta: meta | {"format_version": 3}),
        f"it has format 3, not {FORMAT_VERSION}",
    ),
    "a pickle inside": (pickled, "allow_pickle=False"),
    "a pickle": (lambda whole: pickle.dumps({"state": 1}), "not a zip file"),
    "an archive of something else": (
        lambda whole: rewritten(whole, lambda meta: [1]),
        "list indices",
    ),
    "an entry that says it is compressed": (said_to_be_compressed, "while decompressing data"),
    "a state with a field too few": (
        lambda whole: rewritten(whole, lambda meta: meta | {"state": {}}),
        "records",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_checkpoint_is_refused(whole, fault, note_fault):
    happened = note_fault("checkpoints", fault)
    damage, message = FAULTS[fault]
    with pytest.raises(DamagedCheckpointError) as caught:
        read_bytes(damage(whole))
    happened(f"refused: {caught.value}")
    assert message in str(caught.value)


def test_a_file_that_is_not_there_is_no_damaged_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_checkpoint(tmp_path / "none.npz")


def test_names_sort_as_their_steps(tmp_path):
    steps = [0, 9, 10, 99_999, 10**9]
    names = [checkpoint_name(step) for step in steps]
    assert sorted(names) == names
    assert [step_of(tmp_path / name) for name in names] == steps


def test_what_it_says_of_its_run_is_read_without_its_arrays(whole):
    meta = read_meta(io.BytesIO(whole))
    expected = sample()
    assert repr(RunState.from_dict(meta["state"])) == repr(expected.state)
    assert (meta["config"], meta["data"]) == (expected.config, expected.data)
    cut = whole[:-40]
    with pytest.raises(DamagedCheckpointError):
        read_meta(io.BytesIO(cut))
    other = io.BytesIO()
    np.savez(other, **{"meta.json": np.frombuffer(b'{"format_version": 99}', np.uint8)})
    with pytest.raises(DamagedCheckpointError, match="it has format 99, not"):
        read_meta(other)
