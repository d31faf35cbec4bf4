"""What a model cannot do, and what its figures do not say, from what is known of a run."""

from collections.abc import Iterator

from pipelines.runtime.console import counted
from trainer.card.finished_run import FinishedRun
from trainer.card.markdown import escaped, interval, percent

SMALL_SUPPORT = 100  # test images: the 95% interval of a recall of 90% is then 12 points wide


def known_limits(run: FinishedRun) -> Iterator[str]:
    """Sentences, in Markdown."""
    size = run.description.image_size
    yield (
        f"It answers with one of its {len(run.description.class_names)} classes whatever is in the "
        "image, and its confidence says nothing of images of another kind."
    )
    yield (
        f"Images are stretched to {size} x {size} pixels: their shape and all smaller details are "
        "lost."
    )
    yield _of_the_split(run)
    yield _of_the_audit(run)
    yield from _of_the_data(run)
    yield _of_the_selection(run)


def _of_the_split(run: FinishedRun) -> str:
    report = run.report
    text = (
        f"The test split has {counted(report['examples'], 'image')}, which leaves the accuracy "
        f"anywhere from {interval(*report['accuracy_interval'])}"
    )
    few = [n for n, one in report["per_class"].items() if one["support"] < SMALL_SUPPORT]
    if len(few) == len(report["per_class"]):
        text += f"; each class has fewer than {SMALL_SUPPORT} there"
    elif few:
        shown = ", ".join(map(escaped, few[:5]))
        more = f" and {len(few) - 5} more" * (len(few) > 5)
        text += f"; fewer than {SMALL_SUPPORT} of them are of {shown}{more}"
    return f"{text}. On images from elsewhere it may be another."


def _of_the_audit(run: FinishedRun) -> str:
    audit = run.audit
    if audit is None:
        return (
            "Whether the classes can be told apart by what is not in the pictures, such as their "
            "size, was not looked into (`--noaudit`)."
        )
    if audit["best"] is None:
        return "No shortcut was found in the data (see above)."
    best = next(one for one in audit["baselines"] if one["name"] == audit["best"])
    accuracy = run.report["accuracy"]
    text = (
        f"The {best['name']} alone tells the classes apart with an accuracy of "
        f"{percent(best['accuracy'])}"
    )
    if accuracy <= best["accuracy"]:
        return (
            f"{text}: the {percent(accuracy)} of this model do not show that it looks at what is "
            "in the pictures."
        )
    return f"{text} (see above): read the {percent(accuracy)} of this model in that light."


def _of_the_data(run: FinishedRun) -> Iterator[str]:
    manifest = run.manifest
    if manifest.source["kind"] == "sample":
        yield "The images were drawn by this project: the figures say nothing of photographs."
    if manifest.settings.get("group_duplicates"):
        groups = len(manifest.duplicates)
        yield (
            f"Images that look the same ({counted(groups, 'group')}) were kept in one split each."
        )
    else:
        yield (
            "Whether images of the test split look the same as some in training was not looked "
            "into; `python -m pipelines.inspect --audit` does."
        )
    if manifest.rejected:
        yield f"Left out of the data: {counted(len(manifest.rejected), 'file')} of damaged images."


def _of_the_selection(run: FinishedRun) -> str:
    config = run.config
    if config.keep_best or config.early_stopping is not None:
        return (
            "The epoch was selected on the validation split, whose figures are too good for that; "
            "the test split had no part in it."
        )
    return (
        "Nothing was selected on the test split by this run; whoever compares runs by it does so "
        "themselves."
    )
