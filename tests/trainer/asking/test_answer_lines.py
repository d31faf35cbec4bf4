"""Lines of answers: aligned for a reader, whole for a program."""

import json

import numpy as np

from trainer.asking.answer import OK, Answer
from trainer.asking.answer_lines import JsonLines, TableLines, shown_width

CLASSES = ("cats", "dögs", "図")
GOOD = Answer("b.jpg", OK, np.array([0.2, 0.7, 0.1], np.float32), None, 3.25, 1.5)
BAD = Answer("caf\udce9\n.jpg", "cannot be read: Permission denied")


def test_columns_stand_under_each_other_in_any_script():
    names = ["b.jpg", "写真.jpg", "a" * 100, BAD.file]
    table = TableLines(names, CLASSES, 2)
    answers = [GOOD, Answer("写真.jpg", OK, GOOD.probabilities), BAD]
    lines = [table.head, *map(table.of, answers)]
    # In columns of a terminal, where the last but one ends.
    ends = {shown_width(line[: line.rindex(last)]) for line, last in zip(
        lines, ["status", OK, OK, BAD.status], strict=True
    )}  # fmt: skip
    assert len(ends) == 1
    assert (shown_width("写真"), shown_width("o\u0308"), shown_width("ö")) == (4, 1, 1)
    assert "dögs        70.00%  cats        20.00%" in lines[1]
    assert lines[1].endswith("3.2       1.5  ok")
    assert lines[3].startswith(r"'caf\udce9\n.jpg'")
    assert not any("\n" in line for line in lines)


def test_no_more_classes_are_shown_than_there_are():
    assert TableLines(["b.jpg"], CLASSES, 9).of(GOOD).count("%") == 3


def test_json_has_all_probabilities_and_any_name():
    good, bad = (JsonLines(CLASSES).of(answer) for answer in (GOOD, BAD))
    assert json.loads(good) == {
        "file": "b.jpg",
        "class": "dögs",
        "probability": float(np.float32(0.7)),
        "probabilities": dict(zip(CLASSES, GOOD.probabilities.tolist(), strict=True)),
        "milliseconds": {"decode": 3.25, "model": 1.5},
        "status": "ok",
    }
    values = json.loads(bad.encode("utf-8", "backslashreplace"))
    assert (values["file"], values["class"], values["status"]) == (BAD.file, None, BAD.status)
