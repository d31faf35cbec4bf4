import csv
import json
import os
import pickle
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipelines.sources import open_source

Rows = Sequence[dict[str, object]]


def _csv(path: Path, rows: Rows) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def _json_lines(path: Path, rows: Rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


WRITERS: dict[str, Callable[[Path, Rows], Path]] = {
    "list.csv": _csv,
    "list.jsonl": _json_lines,
    "LIST.NDJSON": _json_lines,
    "list.json": _json_lines,
}


@pytest.fixture
def rows(image_folder: Path) -> list[dict[str, object]]:
    """All images of circles and lines, by paths from the folder above theirs."""
    paths = (path for name in ("lines", "circles") for path in (image_folder / name).iterdir())
    return [
        {"path": path.relative_to(image_folder.parent).as_posix(), "label": path.parent.name}
        for path in sorted(paths, key=lambda path: path.name)
    ]


@pytest.mark.parametrize("name", WRITERS)
def test_a_list_gives_its_images(name: str, rows: Rows, tmp_path: Path):
    source = open_source(str(WRITERS[name](tmp_path / name, rows)))
    assert (source.kind, source.name, source.dataset_name) == ("list", name[:4], "list")
    assert source.split_counts == {"": {"circles": 8, "lines": 8}}
    images = list(source.images())
    assert [image[:2] for image in images] == [(row["label"], row["path"]) for row in rows]
    for image in pickle.loads(pickle.dumps(images)):
        assert image.read() == (tmp_path / image.file_name).read_bytes()
        assert image.split == ""


@pytest.mark.parametrize("name", WRITERS)
def test_splits(name: str, rows: Rows, tmp_path: Path):
    cycle = ("train", "train", "TEST", "test", "val", "validation", "Valid", "train")
    with_splits = [{**row, "split": cycle[i // 2 % 8]} for i, row in enumerate(rows)]
    source = open_source(str(WRITERS[name](tmp_path / name, with_splits)))
    assert list(source.split_counts.items()) == [
        ("train", {"circles": 3, "lines": 3}),
        ("test", {"circles": 2, "lines": 2}),
        ("validation", {"circles": 3, "lines": 3}),
    ]
    given = [image.split for image in source.images()]
    assert given[::2] == ["train"] * 2 + ["test"] * 2 + ["validation"] * 3 + ["train"]


def test_only_the_chosen_classes(rows: Rows, image_folder: Path, tmp_path: Path):
    more = {"path": "shapes/squares/image_0000.jpg", "label": "squares"}
    path = _csv(tmp_path / "list.csv", [*rows, more])
    source = open_source(str(path), ("squares", "lines"))
    assert source.class_counts == {"lines": 8, "squares": 1}
    assert {image.class_name for image in source.images()} == {"lines", "squares"}


def test_absolute_paths_unusual_names_and_other_columns(image_folder: Path, tmp_path: Path):
    names = ['quote".jpg', "comma, and blank.jpg", "line\nbreak.jpg", "\u00e9", "e\u0301"]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(b"%d" % number)
    rows = [
        {"who": "me", "label": f"class {i % 2}", "path": str(tmp_path / name)}
        for i, name in enumerate(names)
    ]
    for path in (_csv(tmp_path / "a.csv", rows), _json_lines(tmp_path / "a.jsonl", rows)):
        images = list(open_source(str(path)).images())
        assert [image.file_name for image in images] == [row["path"] for row in rows]
        assert [image.read() for image in images] == [b"0", b"1", b"2", b"3", b"4"]


def test_names_that_are_no_utf8_can_stand_in_json(tmp_path: Path):
    names = [os.fsdecode(b"\xff.jpg"), "b.jpg"]
    for name in names:
        (tmp_path / name).write_bytes(os.fsencode(name))
    rows = [{"path": name, "label": str(i)} for i, name in enumerate(names)]
    images = open_source(str(_json_lines(tmp_path / "list.jsonl", rows))).images()
    assert [image.read() for image in images] == [b"\xff.jpg", b"b.jpg"]


def test_integers_of_json_are_class_names(rows: Rows, tmp_path: Path):
    numbered = [{**row, "label": len(str(row["label"]))} for row in rows]
    path = _json_lines(tmp_path / "list.jsonl", numbered)
    assert open_source(str(path)).class_counts == {"5": 8, "7": 8}


def test_what_spreadsheets_write(rows: Rows, tmp_path: Path):
    path = _csv(tmp_path / "list.csv", rows)
    text = path.read_text()
    assert "\n\n" not in text
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\r\n\r\n")
    assert open_source(str(path)).num_images == 16


IMAGE = "shapes/lines/image_0000.jpg"
HEADER = "path,label,split\n"
GOOD = HEADER + f"{IMAGE},a,train\n"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "no column 'path' but nothing"),
        (f"{IMAGE},a\n", 1, f"no column 'path' but '{IMAGE}', 'a'"),
        ("path,Label\n", 1, "no column 'label' but 'path', 'Label'"),
        (GOOD + "nowhere.jpg,a,train\n", 3, "'nowhere.jpg', where there is no file"),
        (GOOD + "shapes/lines,a,train\n", 3, "'shapes/lines', where there is no file"),
        (GOOD + "shapes/./lines/../lines/image_0000.jpg,b,test\n", 3, "which line 2 has"),
        (GOOD + "shapes/lines/image_0001.jpg,,train\n", 3, "label ''"),
        (GOOD + ",a,train\n", 3, "path ''"),
        (GOOD + "shapes/lines/image_0001.jpg,a,dev\n", 3, "split 'dev'"),
        (GOOD + "shapes/lines/image_0001.jpg,a,\n", 3, "split '' unlike lines before"),
        (HEADER + f"{IMAGE},a,\nshapes/lines/image_0001.jpg,a,test\n", 3, "split 'test' unlike"),
        (GOOD + "shapes/lines/image_0001.jpg,a\n", 3, "2 fields"),
        (GOOD + "shapes/lines/image_0001.jpg,a,train,x\n", 3, "4 fields"),
        (GOOD + 'shapes/lines/image_0001.jpg,"a"b,train\n', 3, "no CSV"),
        (GOOD + 'shapes/lines/image_0001.jpg,"a,train\n', 3, "no CSV"),
        (GOOD + "shapes/lines/\udcff.jpg,a,train\n", 3, "no UTF-8"),
    ],
)
def test_a_csv_that_cannot_be_used(
    text: str, line: int, message: str, image_folder: Path, tmp_path: Path, refusal: Callable
):
    (tmp_path / "list.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    error = refusal(tmp_path / "list.csv", fault=f"list: {message}")
    assert message in error
    assert re.search(rf"received line {line} of .*, expected", error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"path": "x"', "no JSON"),
        ("[" * 100_000, "no JSON"),
        ('["x", "y"]', "list of JSON"),
        ('{"path": "x"}', "no column 'label' but 'path'"),
        (f'{{"path": "{IMAGE}", "label": true}}', "label True"),
        (f'{{"path": "{IMAGE}", "label": 1.5}}', "label 1.5"),
        (f'{{"path": "{IMAGE}", "label": null}}', "label None"),
        ('{"path": 7, "label": "a"}', "path 7"),
        (r'{"path": "\u0000", "label": "a"}', "where there is no file"),
        (r'{"path": "\ud800", "label": "a"}', "where there is no file"),
        (f'{{"path": "{IMAGE}", "label": "a", "split": 0}}', "split 0"),
    ],
)
def test_json_lines_that_cannot_be_used(
    text: str, message: str, image_folder: Path, tmp_path: Path, refusal: Callable
):
    good = '{"path": "shapes/lines/image_0001.jpg", "label": "a"}\n\n'
    (tmp_path / "list.jsonl").write_text(good + text)
    error = refusal(tmp_path / "list.jsonl", fault=f"list: {message}")
    assert message in error and "received line 3 of" in error


@pytest.mark.parametrize(("name", "text"), [("list.csv", HEADER), ("list.jsonl", "\n")])
def test_a_list_of_no_image(name: str, text: str, tmp_path: Path, refusal: Callable):
    (tmp_path / name).write_text(text)
    assert f"{name}' without any image" in refusal(tmp_path / name, fault="list: no image")


def test_one_split_on_every_line(rows: Rows, tmp_path: Path, refusal: Callable):
    path = _csv(tmp_path / "list.csv", [{**row, "split": "test"} for row in rows])
    assert "split 'test' on every line" in refusal(path, fault="list: one split on every line")


def test_a_class_that_one_split_lacks(rows: Rows, tmp_path: Path, refusal: Callable):
    by_class = {"lines": "train", "circles": "test"}
    with_splits = [{**row, "split": by_class[str(row["label"])]} for row in rows]
    path = _json_lines(tmp_path / "list.jsonl", with_splits)
    message = refusal(path, fault="list: a class that one split lacks")
    assert "no image of the class 'circles' in the split 'train'" in message


def test_a_list_of_one_class(rows: Rows, tmp_path: Path, refusal: Callable):
    path = _csv(tmp_path / "list.csv", [row for row in rows if row["label"] == "lines"])
    assert "one class 'lines'" in refusal(path, fault="list: one class")
