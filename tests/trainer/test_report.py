"""The report's figures against counting by hand."""

import json

import numpy as np
import pytest

from trainer.report import make_report

TIMES = {"train_seconds": 9.5, "images_per_second": 120.0, "input_wait_fraction": 0.25}


def report_of(labels, predicted, names=("a", "b", "c")):
    return make_report(
        np.array(labels), np.array(predicted), names, data_name="toy", split="test", **TIMES
    )


def test_counts_by_hand():
    values = report_of([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0]).values
    assert values["accuracy"] == pytest.approx(4 / 6)
    a, b, c = (values["per_class"][name] for name in "abc")
    assert (a["precision"], a["recall"], a["support"]) == pytest.approx((2 / 3, 2 / 3, 3))
    assert (b["precision"], b["recall"], b["support"]) == pytest.approx((2 / 3, 1.0, 2))
    assert (c["precision"], c["recall"], c["f1"], c["support"]) == (0, 0, 0, 1)
    assert values["macro_f1"] == pytest.approx((2 / 3 + 0.8 + 0) / 3)
    assert {name: values[name] for name in TIMES} == TIMES


def test_a_class_without_examples_stays_in_the_table():
    report = report_of([0, 1], [0, 1])
    assert report.values["per_class"]["c"]["support"] == 0
    assert " c " in report.text


def test_is_written_as_text_and_json(tmp_path):
    report = report_of([0, 1, 2], [0, 1, 1])
    report.write(tmp_path)
    assert json.loads((tmp_path / "report.json").read_text()) == report.values
    text = (tmp_path / "report.txt").read_text()
    assert text.startswith("toy, test split: 66.67% of 3 right (1 wrong)")
