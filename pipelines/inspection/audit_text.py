"""What the audit of `pipelines.inspect` has found, in words and a table for a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.runtime.console import counted, first_lines, number, printable, table

Document = Mapping[str, Any]


def audit_text(document: Document) -> str:
    """The shortcuts, what to conclude from them, and the near-identical images."""
    return "\n\n".join(
        "\n".join(part) for part in (_shortcuts(document), _leakage(document["leakage"]))
    )


def _shortcuts(document: Document) -> Iterator[str]:
    audit = document["audit"]
    yield (
        f"Shortcuts: classifiers fitted on {counted(audit['train_images'], 'training image')}, "
        f"scored on {counted(audit['test_images'], 'test image')}"
    )
    rows = [("", "accuracy", "balanced", "")]
    rows += [
        (f"  {one['name']}", f"{one['accuracy']:.1%}", f"{one['balanced_accuracy']:.1%}", one["of"])
        for one in audit["baselines"]
    ]
    yield from table(rows, last_is_text=True)
    if document["encoding"] == "raw":
        yield "The size and shape that the images had are not in a set of pixels."
    yield _conclusion(audit)


def _conclusion(audit: Document) -> str:
    floor = audit["baselines"][0]["accuracy"]
    if audit["best"] is None:
        return (
            "None of these does better than always naming the most frequent class "
            f"({floor:.1%}), but for what chance may do: no such shortcut."
        )
    best = next(one for one in audit["baselines"] if one["name"] == audit["best"])
    return (
        f"The {best['name']} alone gives {best['accuracy']:.1%}: a model has to beat that here to "
        "show that it looks at what is in the picture."
    )


def _leakage(leakage: Document) -> Iterator[str]:
    if not leakage["groups"]:
        yield "Near-identical images: none."
        return
    across = leakage["groups_across_splits"]
    yield (
        f"Near-identical images: {number(leakage['images_in_groups'])} in "
        f"{counted(leakage['groups'], 'group')}, of which {counted(across, 'group')} in more "
        "than one split"
    )
    remedy = "; make_tfrecords --group_duplicates keeps such images in one split" if across else ""
    yield (
        f"  {counted(leakage['test_images_also_in_train'], 'test image')} "
        f"({leakage['share_of_test']:.1%}) with one like it in training{remedy}"
    )
    pairs = (zip(pair["file_names"], pair["splits"], strict=True) for pair in leakage["pairs"])
    yield from first_lines(
        ["  " + " and ".join(f"{printable(n)} ({s})" for n, s in pair) for pair in pairs]
    )
    two_labels = leakage["groups_with_two_labels"]
    yield f"  {counted(len(two_labels), 'group')} under two labels"
    yield from first_lines(
        [
            "  "
            + ", ".join(f"{printable(e['file_name'])} ({printable(e['class'])})" for e in group)
            for group in two_labels
        ]
    )
