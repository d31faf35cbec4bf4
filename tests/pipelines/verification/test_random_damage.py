import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.tfrecords.index import INDEX_NAME
from pipelines.tfrecords.manifest import MANIFEST_NAME
from tests.pipelines.verification.pets import METADATA, TEST, TRAIN_0, TRAIN_1, found_in


def _mutated(data: bytes, rng: random.Random) -> bytes:
    """`data` with one byte changed, cut, or with a range of it deleted or doubled."""
    start = rng.randrange(len(data))
    stop = rng.randint(start + 1, min(len(data), start + rng.choice([1, 10, 1000])))
    return {
        "flip": data[:start] + bytes([data[start] ^ rng.randrange(1, 256)]) + data[start + 1 :],
        "cut": data[:start],
        "delete": data[:start] + data[stop:],
        "double": data[:stop] + data[start:],
    }[rng.choice(["flip", "flip", "cut", "delete", "double"])]


MUTATIONS = 500


def _num_silent(directory: Path, seed: int, note_fault: Callable) -> int:
    """Damages the set's files at random, one at a time; how many times nothing is found in it."""
    happened = note_fault("damaged set", f"{MUTATIONS} random mutations of the files of a set")
    rng = random.Random(seed)
    names = sorted(os.listdir(directory))
    found = 0
    for _ in range(MUTATIONS):
        path = directory / rng.choice(names)
        whole = path.read_bytes()
        path.write_bytes(_mutated(whole, rng))
        found += path.name in {problem[0] for problem in found_in(directory)}
        path.write_bytes(whole)
    happened(f"{found} found, each in its file")
    return MUTATIONS - found


@pytest.mark.parametrize("seed", range(4))
def test_no_random_damage_is_silent(pets: Path, seed: int, note_fault: Callable):
    files = {MANIFEST_NAME, INDEX_NAME, TRAIN_0, TRAIN_1, TEST, *METADATA}
    assert files == set(os.listdir(pets))
    assert _num_silent(pets, seed, note_fault) == 0
    assert found_in(pets) == []


def test_no_random_damage_to_a_converted_set_is_silent(
    data_dir: Path, tmp_path: Path, note_fault: Callable
):
    copy = Path(shutil.copytree(data_dir, tmp_path / "copy"))
    assert _num_silent(copy, 0, note_fault) == 0
    assert found_in(copy) == []
