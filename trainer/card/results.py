"""How good a model is, in tables and pictures, for the model card."""

from collections.abc import Iterator
from typing import Any

from pipelines.runtime.console import counted
from trainer.card.finished_run import FinishedRun
from trainer.card.markdown import escaped, interval, percent, table
from trainer.judging.filters_picture import FILTERS_NAME
from trainer.judging.pictures import CONFUSION_MATRIX, GRAD_CAM, MISCLASSIFIED, RELIABILITY

MOST_ROWS = 40

# File -> what it shows, in the order of the card.
_PICTURES = {
    CONFUSION_MATRIX: "Confusion matrix: counts, and rates of each true class",
    MISCLASSIFIED: "The mistakes of which the model is surest",
    RELIABILITY: "Reliability diagram: accuracy against confidence, and how many images have which",
    GRAD_CAM: "Grad-CAM: where in the image the model sees what speaks for its answer",
    FILTERS_NAME: "The filters of the first convolution",
}


def results(run: FinishedRun) -> Iterator[str]:
    """The parts of the section, in Markdown."""
    report = run.report
    yield (
        f"On the test split, {counted(report['examples'], 'image')} that training has not seen. "
        "Intervals are Wilson's (1927), at 95% confidence."
    )
    low, high = report["accuracy_interval"]
    summary = [
        ["accuracy", percent(report["accuracy"]), interval(low, high)],
        ["macro F1", percent(report["macro_f1"]), ""],
        ["expected calibration error (15 bins)", _of_calibration(report), ""],
    ]
    yield table(["", "", "95% interval"], summary)
    yield from _per_class(run)
    shown = [(name, text) for name, text in _PICTURES.items() if name in run.pictures]
    yield from (f"![{text}]({name})" for name, text in shown)
    if not shown:
        yield "No pictures were drawn: the run had `--nopictures`."


def _per_class(run: FinishedRun) -> Iterator[str]:
    per_class = run.report["per_class"]
    shown = list(per_class.items())
    if len(shown) > MOST_ROWS:
        # Those that an accuracy hides; a class without examples says nothing.
        by_recall = sorted(shown, key=lambda item: (not item[1]["support"], item[1]["recall"]))
        shown = by_recall[:MOST_ROWS]
        yield (
            f"The {MOST_ROWS} of {len(per_class):,} classes with the lowest recall; all are in "
            "`report.json`:"
        )
    rows = [
        [
            escaped(name),
            percent(one["recall"]),
            interval(*one["recall_interval"]),
            percent(one["precision"]),
            percent(one["f1"]),
            f"{one['support']:,}",
        ]
        if one["support"]
        else [escaped(name), "-", "-", "-", "-", "0"]
        for name, one in shown
    ]
    yield table(["class", "recall", "95% interval", "precision", "F1", "images"], rows)


def _of_calibration(report: dict[str, Any]) -> str:
    error = report["calibration_error"]
    return "not known: the confidence is no number" if error is None else percent(error)
