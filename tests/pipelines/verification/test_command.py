import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import (
    DECODED_FROM,
    MANIFEST_NAME,
    load_manifest,
    write_manifest,
)
from pipelines.verify import VerifyConfig, main
from tests.pipelines.verification.pets import TEST, TRAIN_1, make_record, replace_shard, start_of

ROOT = Path(__file__).parents[3]


def _run(*flags: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "pipelines.verify", *flags]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_the_command_on_a_good_set(pets: Path, tmp_path: Path):
    flags = (f"--data_dir={pets}", f"--json={tmp_path / 'found.json'}")
    status, output, errors = _run(*flags)
    assert (status, errors) == (0, "")
    size = sum(path.stat().st_size for path in pets.glob("*.tfrecord*"))
    summary = f"pets in {pets}: 3 shards, 18 records, {size / 1e3:.0f} kB: all as written.\n"
    assert output == summary
    assert json.loads((tmp_path / "found.json").read_text()) == {
        "data_dir": str(pets),
        "name": "pets",
        "shards": 3,
        "records": 18,
        "bytes": size,
        "problems": [],
    }


def test_the_command_on_a_damaged_set(pets: Path, tmp_path: Path, note_fault: Callable):
    happened = note_fault("damaged set")
    damaged = bytearray((pets / TRAIN_1).read_bytes())
    damaged[start_of(2) + 40] ^= 1
    (pets / TRAIN_1).write_bytes(damaged)
    (pets / "a\udcffb").write_bytes(b"")
    flags = (f"--data_dir={pets}", f"--json={tmp_path / 'found.json'}")
    status, output, errors = _run(*flags)
    happened(f"status {status}, {len(output.splitlines()) - 1} findings listed")
    assert status == 1
    header, record, other = output.splitlines()
    assert header.split() == ["file", "record", "problem"]
    problem = "its data does not agree with its checksum"
    assert record.split(maxsplit=2) == [TRAIN_1, "2", problem]
    assert other.split(maxsplit=2)[:2] == [r"'a\udcffb'", "-"]
    assert record.index(problem) == header.index("problem") == other.index("it is not")
    (error,) = errors.splitlines()
    assert f"received {str(pets)!r} with 2 problems, expected a set as it was written" in error
    remedy = "move what is not of it away, then copy the set again or make it again with"
    assert error.endswith(f"{remedy} --overwrite.")
    document = json.loads((tmp_path / "found.json").read_text())
    assert document["problems"][0] == {"file": TRAIN_1, "record": 2, "problem": problem}
    assert (document["records"], len(document["problems"])) == (17, 2)


def test_the_command_without_a_set(tmp_path: Path):
    status, output, errors = _run(f"--data_dir={tmp_path / 'nowhere'}")
    assert (status, output) == (1, "")
    assert "where there is no directory, expected" in errors and len(errors.splitlines()) == 1
    (tmp_path / "empty").mkdir()
    flags = (f"--data_dir={tmp_path / 'empty'}", f"--json={tmp_path / 'found.json'}")
    status, output, errors = _run(*flags)
    assert (status, output, len(errors.splitlines())) == (1, "", 1)
    assert f"without a {MANIFEST_NAME}, expected a finished set of shards; make one" in errors
    document = json.loads((tmp_path / "found.json").read_text())
    assert (document["name"], document["shards"], len(document["problems"])) == (None, 0, 1)


def test_the_command_needs_no_tensorflow(
    pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "tensorflow.py").write_text("raise RuntimeError('imported')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    status, output, errors = _run(f"--data_dir={pets}")
    assert (status, errors) == (0, "") and "all as written" in output


@pytest.mark.parametrize(
    ("path", "problem"), [("nowhere/found.json", "No such file"), ("pets/found.json", "lies in")]
)
def test_findings_that_cannot_be_written(
    pets: Path, path: str, problem: str, capsys: pytest.CaptureFixture[str]
):
    before = sorted(os.listdir(pets))
    with pytest.raises(InputError, match=rf"received --json=.*{problem}"):
        main(VerifyConfig(data_dir=str(pets), json=str(pets.parent / path)))
    assert capsys.readouterr().out == ""
    assert sorted(os.listdir(pets)) == before


def test_a_problem_is_one_line(capsys: pytest.CaptureFixture[str], pets: Path):
    replace_shard(pets, TEST, [make_record(n, file_name="a\nb") for n in range(6)])
    with pytest.raises(InputError, match="with 5 problems"):
        main(VerifyConfig(data_dir=str(pets)))
    assert len(capsys.readouterr().out.splitlines()) == 6
    nowhere = pets / "no\nwhere"
    nowhere.mkdir()
    status, output, errors = _run(f"--data_dir={nowhere}")
    assert (status, output, len(errors.splitlines())) == (1, "", 1)


def test_decoded_images_are_made_again_by_the_next_run(pets: Path):
    manifest = load_manifest(pets)
    source = {**manifest.source, DECODED_FROM: {}}
    write_manifest(pets, dataclasses.replace(manifest, source=source))
    (pets / TRAIN_1).write_bytes(b"")
    with pytest.raises(InputError, match="as it was written; move .* away: the next run with --c"):
        main(VerifyConfig(data_dir=str(pets)))


def test_what_is_not_of_the_set_alone_is_to_be_moved(pets: Path):
    (pets / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="as it was written; move what is not of it away.$"):
        main(VerifyConfig(data_dir=str(pets)))
