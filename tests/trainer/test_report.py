"""The report's figures against counting by hand."""

import json

import numpy as np
import pytest

from trainer.judging.intervals import wilson_interval
from trainer.judging.judged import Judged
from trainer.predictions import Predictions
from trainer.report import TrainingFigures, make_report

TIMES = {"train_seconds": 9.5, "images_per_second": 120.0, "input_wait_fraction": 0.25}


def judged_of(labels, predicted, names=("a", "b", "c")):
    probabilities = np.eye(len(names), dtype=np.float32)[predicted]
    predictions = Predictions(np.array(labels), probabilities)
    return Judged(predictions, None, tuple(names), "toy", "test")


def report_of(labels, predicted):
    return make_report(judged_of(labels, predicted), TrainingFigures(**TIMES))


def test_counts_by_hand():
    values = report_of([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0]).values
    assert values["accuracy"] == pytest.approx(4 / 6)
    a, b, c = (values["per_class"][name] for name in "abc")
    assert (a["precision"], a["recall"], a["support"]) == pytest.approx((2 / 3, 2 / 3, 3))
    assert (b["precision"], b["recall"], b["support"]) == pytest.approx((2 / 3, 1.0, 2))
    assert (c["precision"], c["recall"], c["f1"], c["support"]) == (0, 0, 0, 1)
    assert values["macro_f1"] == pytest.approx((2 / 3 + 0.8 + 0) / 3)
    assert {name: values[name] for name in TIMES} == TIMES and "kept_epoch" not in values


def test_of_a_confidence_that_is_no_number_there_is_no_calibration():
    probabilities = np.full((2, 3), np.nan, np.float32)
    judged = Judged(
        Predictions(np.array([0, 1]), probabilities), None, ("a", "b", "c"), "t", "test"
    )
    values = make_report(judged).values
    assert values["calibration_error"] is None
    assert "NaN" not in json.dumps(values)


def test_a_class_without_examples_stays_in_the_table():
    report = report_of([0, 1], [0, 1])
    assert report.values["per_class"]["c"]["support"] == 0
    assert " c " in report.text


def test_is_written_as_text_and_json(tmp_path):
    report = report_of([0, 1, 2], [0, 1, 1])
    report.write(tmp_path)
    assert json.loads((tmp_path / "report.json").read_text()) == report.values
    text = (tmp_path / "report.txt").read_text()
    assert text.startswith(
        "toy, test split: 66.67% of 3 right (1 wrong), 20.77% to 93.85% at 95% confidence; "
        "trained in 10 s at 120 images/s\n"
    )


def test_intervals_and_calibration():
    values = report_of([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0]).values
    assert values["accuracy_interval"] == pytest.approx(wilson_interval(4, 6))
    intervals = [values["per_class"][name]["recall_interval"] for name in "abc"]
    expected = [wilson_interval(*counts) for counts in ((2, 3), (2, 2), (0, 1))]
    assert intervals == [pytest.approx(one) for one in expected]
    assert values["calibration_error"] == pytest.approx(1 / 3)  # sure of all, right of two thirds


def test_the_kept_epoch_is_told():
    report = make_report(judged_of([0, 1], [0, 1]), TrainingFigures(**TIMES, kept_epoch=7))
    assert report.values["kept_epoch"] == 7
    assert "; epoch 7 was kept, the best on the validation split\n" in report.text


def test_without_training_nothing_is_said_of_it():
    report = make_report(judged_of([0, 1], [0, 1]))
    assert not report.values.keys() & {*TIMES, "kept_epoch"}
    head = report.text.splitlines()[0]
    assert (
        head == "toy, test split: 100.00% of 2 right (0 wrong), 34.24% to 100.00% at 95% confidence"
    )
