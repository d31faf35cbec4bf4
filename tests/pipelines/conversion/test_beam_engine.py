import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("apache_beam", reason="Apache Beam is not installed (extra [beam])")

from pipelines.conversion.beam_engine import BeamEngine
from pipelines.conversion.convert import convert
from pipelines.runtime.errors import InputError
from pipelines.sources import SourceImage, open_source
from pipelines.tfrecords.manifest import Manifest, Settings, load_manifest


def _convert(source: Path | str, output: Path, *options: str, **settings: object) -> Manifest:
    chosen = Settings(shards=2, **settings)  # type: ignore[arg-type]
    return convert(open_source(str(source)), chosen, output, engine=BeamEngine(options))


def _files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.parametrize(
    "settings",
    [{}, {"encoding": "raw", "image_size": 16, "group_duplicates": True, "seed": 3}],
    ids=["jpeg", "raw"],
)
def test_the_set_is_the_local_engines_to_the_byte(
    image_folder: Path, tmp_path: Path, settings: dict[str, object]
):
    (image_folder / "lines" / "empty.jpg").write_bytes(b"")
    with open(os.path.join(os.fsencode(image_folder / "lines"), b"odd \xff\n.jpg"), "wb") as stream:
        Image.new("RGB", (9, 9), "red").save(stream, "JPEG")
    settings = {"on_bad_image": "skip", **settings}
    manifest = _convert(image_folder, tmp_path / "beam", **settings)
    local = convert(
        open_source(str(image_folder)),
        Settings(shards=2, **settings),  # type: ignore[arg-type]
        tmp_path / "local",
    )
    assert _files(tmp_path / "beam") == _files(tmp_path / "local")
    assert manifest == local == load_manifest(tmp_path / "beam")
    assert sorted(os.listdir(tmp_path)) == ["beam", "local", "shapes"]


def test_two_processes_of_an_interpreter_whose_path_has_a_space(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    python = tmp_path / "my programs" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    _convert(
        image_folder,
        tmp_path / "beam",
        "direct_num_workers=2",
        "direct_running_mode=multi_processing",
    )
    convert(open_source(str(image_folder)), Settings(shards=2), tmp_path / "local")
    assert _files(tmp_path / "beam") == _files(tmp_path / "local")
    assert sys.executable == str(python)


def test_an_archive_is_a_source_too(image_folder: Path, tmp_path: Path):
    import shutil

    archive = shutil.make_archive(str(tmp_path / "shapes"), "gztar", image_folder)
    _convert(archive, tmp_path / "beam")
    reference = convert(open_source(archive), Settings(shards=2), tmp_path / "local")
    assert load_manifest(tmp_path / "beam") == reference


def test_a_bad_image_leaves_nothing(image_folder: Path, tmp_path: Path):
    (image_folder / "lines" / "image_0003.jpg").write_bytes(b"")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(InputError, match="bad image 'lines/image_0003.jpg' .empty file."):
        _convert(image_folder, tmp_path / "deep" / "set")
    assert sorted(os.listdir(tmp_path)) == before


def _unreadable() -> bytes:
    raise InputError("received 'x.jpg', which cannot be read")


def _images() -> Iterator[SourceImage]:
    for class_name in ("circles", "lines", "squares"):
        for number in range(8):
            yield SourceImage(class_name, f"{class_name}/{number}.jpg", _unreadable)


def test_an_input_error_of_a_worker_is_one_line(image_folder: Path, tmp_path: Path):
    import dataclasses

    source = dataclasses.replace(open_source(str(image_folder)), images=_images)
    with pytest.raises(InputError) as caught:
        convert(source, Settings(), tmp_path / "set", engine=BeamEngine())
    assert str(caught.value) == "received 'x.jpg', which cannot be read"
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["foo=1"], "foo"),
        (["direct_num_workers=many"], "invalid int value: 'many'"),
    ],
)
def test_options_that_beam_does_not_take(options: list[str], message: str):
    with pytest.raises(InputError) as caught:
        BeamEngine(options)
    assert message in str(caught.value) and "--beam_pipeline_options=" in str(caught.value)


def test_a_runner_that_there_is_not(image_folder: Path, tmp_path: Path):
    with pytest.raises(InputError, match="Unexpected pipeline runner: Nope"):
        _convert(image_folder, tmp_path / "set", "runner=Nope")
    assert not (tmp_path / "set").exists()
