import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.make_tfrecords import ConvertConfig, main
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import load_manifest

ROOT = Path(__file__).parents[2]
ARCHIVE = ROOT.parent / "shared" / "data" / "101_ObjectCategories.tar.gz"


def _start(*flags: str, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pipelines.make_tfrecords", *flags]
    return subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


def _run(*flags: str) -> tuple[int, str, str]:
    process = _start(*flags)
    output, errors = process.communicate(timeout=120)
    return process.returncode, output, errors


def _config(folder: Path, **options: object) -> ConvertConfig:
    return ConvertConfig(source=str(folder), output_dir=str(folder.parent / "set"), **options)


def _state(directory: Path) -> dict[str, tuple[int, bytes]]:
    return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in directory.iterdir()}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_dir": ""}, "an empty --output_dir"),
        ({"source": ""}, "an empty --source"),
        ({"test_fraction": 0.0}, "--test_fraction=0.0"),
        ({"test_fraction": 1.0}, "--test_fraction=1.0"),
        ({"validation_fraction": -0.1}, "--validation_fraction=-0.1"),
        ({"test_fraction": 0.5, "validation_fraction": 0.5}, "sum below 1"),
        ({"test_fraction": float("nan")}, "--test_fraction=nan"),
        ({"shards": 0}, "--shards=0, expected 1 or more"),
        ({"seed": -1}, "--seed=-1, expected 0 or more"),
        ({"split_seed": 2**32}, "--split_seed=4294967296"),
        ({"shards": 2, "shard_size_mb": 5.0}, "--shards=2 and --shard_size_mb=5.0"),
        ({"shard_size_mb": 0.0}, "--shard_size_mb=0.0, expected more than 0"),
        ({"image_size": 64}, "--image_size with --encoding=jpeg"),
        ({"encoding": "raw", "image_size": 0}, "--image_size=0, expected 1"),
        ({"max_bad_images": 3}, "--max_bad_images with --on_bad_image=fail"),
        ({"on_bad_image": "skip", "max_bad_images": -1}, "--max_bad_images=-1"),
        ({"beam_pipeline_options": ("runner=x",)}, "--beam_pipeline_options with --engine=local"),
    ],
)
def test_flags_that_cannot_be(options: dict[str, object], message: str):
    with pytest.raises(InputError) as caught:
        ConvertConfig(**options)
    assert message in str(caught.value)


def test_the_command_from_a_pipe(image_folder: Path, tmp_path: Path):
    flags = (f"--source={image_folder}", f"--output_dir={tmp_path / 'new' / 'set'}")
    status, output, errors = _run(*flags)
    assert (status, errors) == (0, "")
    lines = [line.split() for line in output.splitlines()]
    assert ["circles", "6", "2"] in lines and ["total", "18", "6"] in lines
    assert "shapes in " in output and str(tmp_path / "new" / "set") in output
    assert load_manifest(tmp_path / "new" / "set").splits["test"].num_examples == 6


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (["--help"], 0, "--on_bad_image=fail|skip"),
        (["--shards=x"], 2, "--shards=x"),
        (["--source=/nowhere"], 1, "received the source '/nowhere'"),
    ],
)
def test_what_needs_no_tensorflow_does_not_wait_for_it(
    flags: list[str], status: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "tensorflow.py").write_text("raise RuntimeError('imported')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    got, output, errors = _run(*flags, f"--output_dir={tmp_path / 'set'}")
    assert got == status
    assert message in output + errors


def test_bad_input_ends_with_one_line_and_status_1(
    image_folder: Path, tmp_path: Path, note_fault: Callable
):
    happened = note_fault("bad input", "the command with a bad image")
    (image_folder / "lines" / "image_0000.jpg").write_bytes(b"")
    before = sorted(os.listdir(tmp_path))
    status, _, errors = _run(f"--source={image_folder}", f"--output_dir={tmp_path / 'set'}")
    left = len(os.listdir(tmp_path)) - len(before)
    happened(f"status {status}, {len(errors.splitlines())} line, {left} files left")
    assert status == 1 and len(errors.splitlines()) == 1
    assert "bad image 'lines/image_0000.jpg' (empty file)" in errors
    status, _, errors = _run(f"--source={tmp_path / 'gone'}", f"--output_dir={tmp_path / 'set'}")
    assert status == 1 and len(errors.splitlines()) == 1 and "does not exist" in errors
    assert sorted(os.listdir(tmp_path)) == before


def test_wrong_usage_has_status_2():
    status, _, errors = _run("--test_fraction=2")
    assert status == 2 and "received --test_fraction=2.0" in errors


def test_a_stopped_conversion_leaves_nothing(image_folder: Path, tmp_path: Path):
    # So many images that the signal comes while they are checked.
    data = (image_folder / "lines" / "image_0000.jpg").read_bytes()
    for number in range(6_000):
        (image_folder / "lines" / f"copy_{number}.jpg").write_bytes(data)
    before = sorted(os.listdir(tmp_path))
    process = _start(f"--source={image_folder}", f"--output_dir={tmp_path / 'new' / 'set'}")
    deadline = time.monotonic() + 60
    while not any(tmp_path.glob("new/.set.tmp-*")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    message = "python -m pipelines.make_tfrecords: terminated.\n"
    assert (process.returncode, errors) == (143, message)
    assert sorted(os.listdir(tmp_path)) == before


def test_an_identical_set_is_left_alone(
    image_folder: Path, capsys: pytest.CaptureFixture[str], note_fault: Callable
):
    happened = note_fault("bad input", "output: the same set")
    main(_config(image_folder))
    before = _state(image_folder.parent / "set")
    capsys.readouterr()
    main(_config(image_folder))
    output = capsys.readouterr().out
    happened(output.splitlines()[1].removeprefix(f"{image_folder.parent}/"))
    assert _state(image_folder.parent / "set") == before
    assert "already holds this very set" in output


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"seed": 1}, "--seed: 0 there, 1 now"),
        ({"classes": ("circles", "lines")}, "classes: circles, lines, squares there"),
        ({"shards": 3}, "--shards: 8 there, 3 now"),
    ],
)
def test_another_set_is_refused(
    image_folder: Path, options: dict[str, object], difference: str, note_fault: Callable
):
    happened = note_fault("bad input", f"output: a set with other {' '.join(options)}")
    main(_config(image_folder))
    before = _state(image_folder.parent / "set")
    with pytest.raises(InputError) as caught:
        main(_config(image_folder, **options))
    happened(caught.value)
    assert difference in str(caught.value) and "--overwrite" in str(caught.value)
    assert _state(image_folder.parent / "set") == before


def test_other_images_under_the_same_names_are_another_set(
    image_folder: Path, note_fault: Callable
):
    happened = note_fault("bad input", "output: a set with other images")
    main(_config(image_folder))
    path = image_folder / "lines" / "image_0000.jpg"
    path.write_bytes((image_folder / "lines" / "image_0001.jpg").read_bytes())
    with pytest.raises(InputError, match="other names or other content") as caught:
        main(_config(image_folder))
    happened(caught.value)


def test_a_file_beside_the_shards_is_no_damage(image_folder: Path, note_fault: Callable, capsys):
    happened = note_fault("bad input", "output: the same set, and a .DS_Store in it")
    main(_config(image_folder))
    (image_folder.parent / "set" / ".DS_Store").write_text("")
    capsys.readouterr()
    main(_config(image_folder))
    told = capsys.readouterr().out
    happened("".join(told.partition("already")[1:]).splitlines()[0])
    assert "already holds this very set" in told


@pytest.mark.parametrize("damage", ["cut", "flipped bit"])
def test_a_damaged_set_is_not_called_identical(
    damage: str, image_folder: Path, note_fault: Callable
):
    happened = note_fault("damaged set", f"output: the same set, a shard of it with a {damage}")
    main(_config(image_folder))
    shard = next((image_folder.parent / "set").glob("*train*"))
    data = bytearray(shard.read_bytes())
    data[99] ^= 1
    shard.write_bytes(data[:50] if damage == "cut" else data)
    with pytest.raises(InputError) as caught:
        main(_config(image_folder))
    happened(caught.value)
    assert shard.name in str(caught.value) and "--overwrite" in str(caught.value)
    main(_config(image_folder, overwrite=True))
    main(_config(image_folder))


def test_overwrite_replaces_a_finished_set(image_folder: Path):
    main(_config(image_folder))
    main(_config(image_folder, overwrite=True, shards=3))
    assert len(load_manifest(image_folder.parent / "set").splits["train"].shards) == 3
    assert len(list((image_folder.parent / "set").glob("*train*"))) == 3
    assert sorted(os.listdir(image_folder.parent)) == ["set", "shapes"]


def test_a_failed_overwrite_keeps_the_old_set(image_folder: Path, note_fault: Callable):
    happened = note_fault("bad input", "--overwrite with a bad image")
    main(_config(image_folder))
    before = _state(image_folder.parent / "set")
    (image_folder / "lines" / "image_0000.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="bad image"):
        main(_config(image_folder, overwrite=True))
    kept = _state(image_folder.parent / "set") == before
    happened(f"refused; the old set is {'as it was' if kept else 'another'}")
    assert kept
    assert sorted(os.listdir(image_folder.parent)) == ["set", "shapes"]


@pytest.mark.parametrize("there", ["a set", "an empty folder", "nothing"])
def test_a_link_stays_and_the_set_is_where_it_leads(
    there: str, image_folder: Path, note_fault: Callable
):
    happened = note_fault("bad input", f"output: a link to {there}")
    (image_folder.parent / "disk").mkdir()
    place, link = image_folder.parent / "disk" / "v1", image_folder.parent / "set"
    link.symlink_to(place)
    if there == "a set":
        main(_config(image_folder, seed=1))
    elif there == "an empty folder":
        place.mkdir()
    main(_config(image_folder, overwrite=there == "a set"))
    happened(f"seed {load_manifest(place).settings['seed']} in its place; links to it stay")
    assert link.is_symlink() and load_manifest(place).settings["seed"] == 0
    assert os.listdir(place.parent) == ["v1"]
    assert sorted(os.listdir(link.parent)) == ["disk", "set", image_folder.name]


def test_directories_that_cannot_be_replaced_are_refused(
    image_folder: Path, monkeypatch: pytest.MonkeyPatch, note_fault: Callable
):
    happened = note_fault("bad input", "output: a mount point")
    (image_folder.parent / "set").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path).endswith("set"))
    with pytest.raises(InputError, match="is a mount point") as caught:
        main(_config(image_folder))
    happened(caught.value)
    happened = note_fault("bad input", "output: the current directory")
    monkeypatch.chdir(image_folder.parent / "set")
    with pytest.raises(InputError, match="is the current directory") as caught:
        main(ConvertConfig(source=str(image_folder), output_dir="."))
    happened(caught.value)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_no_set_is_never_touched(
    image_folder: Path, overwrite: bool, kind: str, note_fault: Callable
):
    happened = note_fault("bad input", f"output: another {kind}{', --overwrite' * overwrite}")
    output = image_folder.parent / "set"
    if kind == "folder":
        output.mkdir()
        (output / "thesis.txt").write_text("three years")
    else:
        output.write_text("three years")
    with pytest.raises(InputError, match="is no finished set") as caught:
        main(_config(image_folder, overwrite=overwrite))
    happened(caught.value)
    assert (output / "thesis.txt" if kind == "folder" else output).read_text() == "three years"


def test_overwrite_spares_other_files_in_a_set(image_folder: Path, note_fault: Callable):
    happened = note_fault("bad input", "output: a set and more, --overwrite")
    main(_config(image_folder))
    (image_folder.parent / "set" / "thesis.txt").write_text("three years")
    with pytest.raises(InputError, match="also holds 'thesis.txt'") as caught:
        main(_config(image_folder, overwrite=True))
    happened(caught.value)
    assert (image_folder.parent / "set" / "thesis.txt").exists()


@pytest.mark.skipif(not ARCHIVE.exists(), reason="no ../shared beside this checkout")
def test_the_real_archive_gives_the_tutorials_split(tmp_path: Path):
    import tensorflow_datasets as tfds

    main(ConvertConfig(source=str(ARCHIVE), output_dir=str(tmp_path / "set")))
    manifest = load_manifest(tmp_path / "set")
    assert manifest.name == "caltech4"
    assert manifest.class_names == ("Faces", "Leopards", "Motorbikes", "airplanes")
    assert manifest.splits["train"].num_examples == 1674
    assert manifest.splits["test"].class_counts == (109, 50, 200, 200)
    assert (manifest.rejected, manifest.normalised) == ((), {})
    builder = tfds.builder_from_directory(str(tmp_path / "set"))
    assert builder.info.splits["test"].num_examples == 559
    labels = [int(label) for label in builder.as_dataset(split="test").map(lambda e: e["label"])]
    assert tuple(labels.count(label) for label in range(4)) == (109, 50, 200, 200)
