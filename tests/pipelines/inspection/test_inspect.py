import dataclasses
import io
import json
import os
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.conversion.convert import convert
from pipelines.inspect import InspectConfig, main
from pipelines.inspection.statistics import Headers
from pipelines.inspection.text import audit_text, describe_text, raw_gain_text
from pipelines.runtime.console import MAX_LISTED
from pipelines.runtime.errors import InputError
from pipelines.sources import open_source
from pipelines.tfrecords.manifest import Settings, ShardedDataset, load_manifest, open_dataset
from pipelines.tfrecords.reader import read_shard, survey

ROOT = Path(__file__).parents[3]
# Class -> mode, format, and the width and height of each image.
MIXED: dict[str, tuple[str, str, list[tuple[int, int]]]] = {
    "grey": ("L", "JPEG", [(40, 30)] * 8),
    "tall": ("RGB", "PNG", [(10, 20)] * 5 + [(20, 40)] * 2 + [(30, 400)]),
    "wide": ("RGB", "JPEG", [(100 + 10 * number, 50) for number in range(8)]),
}


def _write_images(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, (mode, format, sizes) in MIXED.items():
        (folder / name).mkdir(parents=True)
        for number, (width, height) in enumerate(sizes):
            shape = (height, width) if mode == "L" else (height, width, 3)
            image = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
            image.save(folder / name / f"{number}.{'jpg' if format == 'JPEG' else 'png'}")
    return folder


def _make_set(folder: Path, **settings: Any) -> Path:
    output = folder.parent / "set"
    convert(open_source(str(folder)), Settings(**{"shards": 2} | settings), output)
    return output


@pytest.fixture(scope="module")
def mixed_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of three classes that differ in their sizes, modes and formats."""
    return _make_set(_write_images(tmp_path_factory.mktemp("mixed") / "images"))


@pytest.fixture(scope="module")
def inspected(mixed_set: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The document of that set, with all that can be asked for, and its text as 'text'."""
    return _inspect(mixed_set, tmp_path_factory.mktemp("out"), grid="grid.png", audit=True)


def _inspect(data_dir: Path, out: Path, grid: str = "", audit: bool = False) -> dict[str, Any]:
    text = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", text)
        main(
            InspectConfig(
                data_dir=str(data_dir),
                json=str(out / "found.json"),
                grid=str(out / grid) if grid else None,
                audit=audit,
            )
        )
    return {**json.loads((out / "found.json").read_text()), "text": text.getvalue()}


def _run(*flags: str) -> tuple[int, str, str]:
    process = subprocess.run(
        [sys.executable, "-m", "pipelines.inspect", *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return process.returncode, process.stdout, process.stderr


def _line_of(text: str, start: str, number: int = 0) -> list[str]:
    """The cells of the line that begins with `start`, of several the one of this number."""
    lines = [line for line in text.splitlines() if line.lstrip().startswith(start)]
    return lines[number].replace(", ", ",").split()


def test_it_says_what_the_set_is(inspected: dict[str, Any], mixed_set: Path):
    manifest = load_manifest(mixed_set)
    sizes = [path.stat().st_size for path in mixed_set.glob("*.tfrecord-*")]
    assert inspected["data_dir"] == str(mixed_set)
    assert inspected["fingerprint"] == manifest.fingerprint
    assert inspected["source"] == manifest.source
    assert (inspected["num_shards"], inspected["num_bytes"]) == (len(sizes), sum(sizes))
    assert (inspected["num_images"], inspected["encoding"]) == (24, "jpeg")
    for fact in (manifest.name, str(mixed_set), manifest.fingerprint, "folder", "24 images"):
        assert fact in inspected["text"]


def test_counts_and_shares(inspected: dict[str, Any]):
    assert inspected["splits"] == {
        "train": {"num_images": 18, "classes": {"grey": 6, "tall": 6, "wide": 6}},
        "test": {"num_images": 6, "classes": {"grey": 2, "tall": 2, "wide": 2}},
    }
    text = inspected["text"]
    assert _line_of(text, "tall") == ["tall", "6", "2", "8", "33.3%"]
    assert _line_of(text, "all") == ["all", "18", "6", "24"]
    assert _line_of(text, "share") == ["share", "75.0%", "25.0%"]


def test_sizes_modes_and_formats(inspected: dict[str, Any]):
    classes = inspected["images"]["classes"]
    assert classes["tall"]["sizes"] == {
        "smallest": [10, 20],
        "median": [10, 20],
        "largest": [30, 400],
        "distinct": 3,
    }
    assert classes["wide"]["sizes"]["distinct"] == 8
    assert classes["wide"]["sizes"]["median"] == [130, 50]
    assert [classes[name]["modes"] for name in MIXED] == [{"L": 8}, {"RGB": 8}, {"RGB": 8}]
    assert [list(classes[name]["formats"]) for name in MIXED] == [["JPEG"], ["PNG"], ["JPEG"]]
    whole = inspected["images"]["all"]
    assert whole["modes"] == {"RGB": 16, "L": 8}
    assert whole["formats"] == {"JPEG": 16, "PNG": 8}
    assert (whole["sizes"]["smallest"], whole["sizes"]["largest"]) == ([10, 20], [30, 400])
    assert whole["sizes"]["distinct"] == 12


def test_aspect_ratios_and_bytes(inspected: dict[str, Any], mixed_set: Path):
    ratios = [width / height for width, height in MIXED["wide"][2]]
    expected = np.quantile(ratios, [0, 0.05, 0.5, 0.95, 1])
    classes = inspected["images"]["classes"]
    assert list(classes["wide"]["aspect_ratios"].values()) == pytest.approx(list(expected))
    files = list((mixed_set.parent / "images" / "wide").iterdir())
    mean = sum(path.stat().st_size for path in files) / len(files)
    assert classes["wide"]["mean_bytes"] == pytest.approx(mean)


def test_the_tables_show_what_the_json_holds(inspected: dict[str, Any]):
    text = inspected["text"]
    images = inspected["images"]["classes"]["tall"]
    mean = f"{images['mean_bytes'] / 1e3:.1f}"
    row = ["tall", "10x20", "10x20", "30x400", "3", mean, "RGB", "PNG"]
    assert _line_of(text, "tall", 1) == row
    ratios = [f"{ratio:.2f}" for ratio in images["aspect_ratios"].values()]
    assert _line_of(text, "tall", 2) == ["tall", *ratios]
    assert " RGB 16, L 8   JPEG 16, PNG 8" in text
    for baseline in inspected["audit"]["baselines"]:
        scores = [f"{baseline[score]:.1%}" for score in ("accuracy", "balanced_accuracy")]
        words = baseline["name"].split()
        row = _line_of(text[text.index("Shortcuts") :], f"{baseline['name']}  ")
        assert row[: len(words) + 2] == [*words, *scores]


def test_nothing_is_printed_that_the_json_does_not_hold(inspected: dict[str, Any]):
    parts = (describe_text(inspected), raw_gain_text(inspected), audit_text(inspected))
    assert inspected["text"].startswith("\n\n".join(parts))


def test_the_audit_of_the_set(inspected: dict[str, Any]):
    audit = inspected["audit"]
    assert (audit["train_images"], audit["test_images"]) == (18, 6)
    accuracies = {baseline["name"]: baseline["accuracy"] for baseline in audit["baselines"]}
    assert accuracies["size"] == 1.0
    assert accuracies["most frequent class"] == pytest.approx(1 / 3)
    assert audit["best"] == "size"
    assert "The size alone gives 100.0%: a model has to beat that" in inspected["text"]


def test_where_there_is_no_shortcut_it_says_so(inspected: dict[str, Any]):
    text = audit_text({**inspected, "audit": {**inspected["audit"], "best": None}})
    assert "None of these does better than always naming the most frequent class (33.3%)" in text
    assert "has to beat" not in text


def test_the_grid_is_a_picture(inspected: dict[str, Any]):
    with Image.open(inspected["grid"]) as picture:
        picture.load()
        assert picture.format == "PNG"
        assert f"{picture.width}x{picture.height} pixels" in inspected["text"]


def test_when_raw_pays(inspected: dict[str, Any], mixed_set: Path):
    raw = mixed_set.parent / "raw"
    source = open_source(str(mixed_set.parent / "images"))
    convert(source, Settings(encoding="raw", image_size=96, shards=2), raw)
    gain = inspected["raw_gain"]
    size = sum(path.stat().st_size for path in raw.glob("*.tfrecord-*"))
    assert gain["num_bytes"] == pytest.approx(size, rel=0.001)
    assert gain["sample_images"] == 512
    assert min(gain[name] for name in ("encoded_ms", "raw_ms", "convert_ms")) > 0
    assert gain["encoded_ms"] > gain["raw_ms"]


@pytest.mark.parametrize(
    ("convert", "decode", "read", "epochs"),
    [
        (1.0, 0.6, 0.1, 2),
        (1.1, 0.6, 0.1, 3),
        (0.1, 0.6, 0.1, 1),
        (1.0, 0.1, 0.1, None),
        (1.0, 0.1, 0.2, None),
    ],
)
def test_epochs_to_pay(convert: float, decode: float, read: float, epochs: int | None):
    from pipelines.inspection.raw_encoding import epochs_to_pay

    assert epochs_to_pay(convert, decode, read) == epochs


@pytest.mark.parametrize(("epochs", "words"), [(None, "never pays"), (1, "after 1 epoch with")])
def test_when_raw_pays_takes_two_lines(inspected: dict[str, Any], epochs: int | None, words: str):
    text = raw_gain_text({**inspected, "raw_gain": {**inspected["raw_gain"], "epochs": epochs}})
    assert words in text
    assert len(text.splitlines()) == 2


def test_a_set_of_pixels(mixed_set: Path, tmp_path: Path):
    folder = _write_images(tmp_path / "images")
    raw = _make_set(folder, encoding="raw", image_size=32)
    found = _inspect(raw, tmp_path, grid="grid.png", audit=True)
    assert "stored as pixels: 32 x 32 of 3 channels, 3,072 bytes" in found["text"]
    assert "are not in a set of pixels" in found["text"]
    assert found["images"]["classes"]["tall"] == {"num_images": 8, "mean_bytes": 3072.0}
    assert "raw_gain" not in found
    assert [one["name"] for one in found["audit"]["baselines"]][1:] == ["border", "thumbnail"]


def test_what_was_rejected_normalised_and_ignored_is_listed(tmp_path: Path):
    folder = _write_images(tmp_path / "images")
    names = [f"{number:02}.jpg" for number in range(MAX_LISTED)]
    names += [os.fsdecode(b"\xff.jpg"), "line\nbreak.jpg", "z.jpg"]
    for name in names:
        (folder / "tall" / name).write_bytes(b"none")
    Image.new("CMYK", (20, 20)).save(folder / "wide" / "cmyk.jpg")
    (folder / "wide" / "notes.txt").write_text("not an image")
    found = _inspect(_make_set(folder, on_bad_image="skip"), tmp_path)
    text = found["text"]
    reason = "no image that Pillow can read"
    assert f"  rejected    13  {reason}" in text
    assert "  normalised   1  JPEG of mode CMYK" in text
    assert any(line.startswith("  ignored  ") for line in text.splitlines())
    rejected = [line for line in text.splitlines() if line.endswith(f": {reason}")]
    assert len(rejected) == MAX_LISTED
    assert f"  tall/00.jpg: {reason}" in rejected
    assert "  and 3 more" in text
    expected = {f"tall/{name}" for name in names}
    assert {entry["file_name"] for entry in found["found"]["rejected_files"]} == expected


def test_names_that_a_terminal_cannot_show_are_escaped(inspected: dict[str, Any]):
    reasons = {
        "found": {
            **inspected["found"],
            "rejected_files": [{"file_name": "a/\udcff\n.jpg", "reason": "x\ny"}],
        }
    }
    pair = {"file_names": ["\udcff.jpg", "b\n.jpg"], "splits": ["train", "test"]}
    leakage = {**inspected["leakage"], "groups": 1, "groups_across_splits": 1, "pairs": [pair]}
    text = describe_text({**inspected, **reasons}) + audit_text({**inspected, "leakage": leakage})
    text.encode()
    assert r"'a/\udcff\n.jpg': 'x\ny'" in text
    assert r"'\udcff.jpg' (train) and 'b\n.jpg' (test)" in text


def test_of_many_pairs_some_are_shown(inspected: dict[str, Any]):
    pairs = [{"file_names": [f"a/{n}", f"b/{n}"], "splits": ["train", "test"]} for n in range(14)]
    two_labels = [
        [
            {"file_name": "a/0", "class": "grey", "split": "train"},
            {"file_name": "b/0", "class": "tall", "split": "test"},
        ]
    ]
    leakage = {
        "groups": 14,
        "images_in_groups": 28,
        "groups_across_splits": 14,
        "pairs": pairs,
        "test_images_also_in_train": 14,
        "share_of_test": 0.5,
        "groups_with_two_labels": two_labels,
    }
    text = audit_text({**inspected, "leakage": leakage})
    assert text.count(" (train) and ") == MAX_LISTED
    assert "  and 4 more" in text
    assert "14 test images (50.0%)" in text
    assert "--group_duplicates" in text
    assert "a/0 (grey), b/0 (tall)" in text


def test_a_damaged_shard_is_one_line(data_dir: Path, tmp_path: Path, note_fault: Callable):
    happened = note_fault("damaged set", "inspect: a flipped bit")
    copy = tmp_path / "set"
    copy.mkdir()
    for path in data_dir.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    shard = copy / load_manifest(copy).splits["train"].shards[1].name
    contents = bytearray(shard.read_bytes())
    contents[len(contents) // 2] ^= 1
    shard.write_bytes(contents)
    status, output, errors = _run(f"--data_dir={copy}")
    happened(f"status {status}: {errors.partition('received ')[2]}".replace(f"{copy}/", ""))
    assert (status, output) == (1, "")
    assert len(errors.splitlines()) == 1
    assert shard.name in errors
    assert "does not agree with its checksum" in errors
    assert f"python -m pipelines.verify --data_dir={copy}" in errors


def test_a_record_that_is_none_of_this_set_is_named(data_dir: Path):
    manifest = load_manifest(data_dir)
    shard = manifest.splits["train"].shards[0]
    few = dataclasses.replace(manifest, class_names=manifest.class_names[:1])
    with pytest.raises(InputError, match=r"at record \d+ \(its label is \d, of 1 classes\)"):
        list(read_shard(ShardedDataset(data_dir, few), "train", shard))
    more = dataclasses.replace(shard, num_examples=shard.num_examples + 1)
    with pytest.raises(InputError, match="has 9 records and not 10"):
        list(read_shard(ShardedDataset(data_dir, manifest), "train", more))
    pixels = dataclasses.replace(manifest, encoding="raw", image_shape=(4, 4, 3))
    with pytest.raises(InputError, match="its image cannot be read"):
        survey(ShardedDataset(data_dir, pixels), lambda: _Opener())


class _Opener:
    def add(self, example: Any) -> None:
        from pipelines.tfrecords.reader import opened

        with opened(example):
            pass

    def merge(self, other: "_Opener") -> None:
        pass


def test_a_name_that_is_no_utf8_comes_back(tmp_path: Path):
    folder = _write_images(tmp_path / "images")
    name = os.fsdecode(b"\xff.png")
    (folder / "tall" / "0.png").rename(folder / "tall" / name)
    data_dir = _make_set(folder)
    manifest = load_manifest(data_dir)
    names = {
        example.file_name
        for split, part in manifest.splits.items()
        for shard in part.shards
        for example in read_shard(ShardedDataset(data_dir, manifest), split, shard)
    }
    assert f"tall/{name}" in names


def test_memory_does_not_grow_with_the_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "images"
    rng = np.random.default_rng(0)
    for number in range(32):
        path = folder / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (300, 300, 3), dtype=np.uint8)).save(path)
    data_dir = _make_set(folder)
    manifest = load_manifest(data_dir)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    tracemalloc.start()
    headers = survey(ShardedDataset(data_dir, manifest), lambda: Headers(2))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(headers.num_bytes) > 8_000_000
    assert peak < 2_500_000


def test_the_threads_have_no_say(data_dir: Path, monkeypatch: pytest.MonkeyPatch):
    manifest = load_manifest(data_dir)

    class Names:
        def __init__(self) -> None:
            self.names: list[str] = []

        def add(self, example: Any) -> None:
            self.names.append(example.file_name)

        def merge(self, other: "Names") -> None:
            self.names += other.names

    one_by_one = [
        example.file_name
        for split, part in manifest.splits.items()
        for shard in part.shards
        for example in read_shard(ShardedDataset(data_dir, manifest), split, shard)
    ]
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert survey(ShardedDataset(data_dir, manifest), Names).names == one_by_one


def test_ctrl_c_waits_for_no_further_shard(data_dir: Path, monkeypatch: pytest.MonkeyPatch):
    made = []
    goes_on = threading.Event()

    class Stopped:
        def __init__(self) -> None:
            self.number = len(made)
            made.append(self)

        def add(self, example: Any) -> None:
            if self.number > 1:  # 0 is the whole, 1 of the first shard
                goes_on.wait()

        def merge(self, other: "Stopped") -> None:
            threading.Timer(0.2, goes_on.set).start()
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    with pytest.raises(KeyboardInterrupt):
        survey(open_dataset(data_dir), Stopped)
    assert len(made) == 3 < 1 + len(load_manifest(data_dir).shards)


@pytest.mark.parametrize("grid", ["grid.gif", "grid", "png"])
def test_a_picture_of_an_unknown_format_is_wrong_usage(grid: str):
    status, output, errors = _run(f"--grid={grid}", "--data_dir=nowhere")
    assert (status, output) == (2, "")
    assert f"received --grid={grid}, expected a file name in .png" in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize("flag", ["grid", "json"])
def test_files_that_cannot_be_written_are_refused_before_the_work(
    flag: str, data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "folder.png").mkdir()
    for path, problem in (
        (tmp_path / "missing" / "x.png", "No such file or directory"),
        (tmp_path / "folder.png", "it is a directory"),
        (data_dir / "x.png", "lies in the data directory"),
        (Path("/proc/x.png"), "cannot be written"),
    ):
        with pytest.raises(InputError, match=problem) as refused:
            main(InspectConfig(data_dir=str(data_dir), **{flag: str(path)}))
        assert str(refused.value).startswith(f"received --{flag}={path}")
    assert capsys.readouterr().out == ""
    assert sorted(os.listdir(tmp_path)) == ["folder.png"]


def test_an_earlier_picture_is_untouched_until_the_new_one_is_there(data_dir: Path, tmp_path: Path):
    (tmp_path / "grid.png").write_bytes(b"earlier")
    config = InspectConfig(data_dir=str(data_dir), grid=str(tmp_path / "grid.png"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.tfrecords.reader.survey", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            main(config)
    assert (tmp_path / "grid.png").read_bytes() == b"earlier"


def test_a_directory_that_is_no_set(tmp_path: Path):
    with pytest.raises(InputError, match="without a manifest.json"):
        main(InspectConfig(data_dir=str(tmp_path)))
