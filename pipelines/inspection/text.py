"""What `pipelines.inspect` has found, in words and tables for a terminal.

All of it is made from the document that `--json` writes: the two cannot disagree.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.runtime.console import counted, first_lines, printable, readable_size, share, table

Document = Mapping[str, Any]


def describe_text(document: Document) -> str:
    """The set as a whole: what it is, its counts, its images, and what its source held beside."""
    parts = (_head, _counts, _images, _found)
    return "\n\n".join("\n".join(part(document)) for part in parts)


def raw_gain_text(document: Document) -> str:
    """After how many epochs `--encoding=raw` pays, in two lines."""
    gain = document["raw_gain"]
    epochs, size = gain["epochs"], gain["image_size"]
    now, then = readable_size(document["num_bytes"]), readable_size(gain["num_bytes"])
    sizes = f"--encoding=raw ({then}, now {now})"
    verdict = f"{sizes} never pays on this machine."
    if epochs is not None:
        verdict = (
            f"{sizes} pays after {counted(epochs, 'epoch')} with the trainer's --cache=none; "
            f"with --cache=memory, which decodes in a run's first epoch only, after "
            f"{counted(epochs, 'run')}."
        )
    return (
        f"Reading and decoding an image takes {gain['encoded_ms']:.2f} ms of processor time, "
        f"reading {size}x{size} pixels {gain['raw_ms']:.2f} ms, and converting to them "
        f"{gain['convert_ms']:.2f} ms.\n{verdict}"
    )


def _head(document: Document) -> Iterator[str]:
    source = document["source"]
    yield f"{document['name']} in {printable(document['data_dir'])}"
    num_classes = len(document["images"]["classes"])
    yield (
        f"  {counted(document['num_images'], 'image')} in {num_classes} classes, encoding "
        f"{document['encoding']}, {counted(document['num_shards'], 'shard')}, "
        f"{readable_size(document['num_bytes'])}"
    )
    yield f"  source: {source['kind']} {printable(source['name'])}"
    yield f"  fingerprint: {document['fingerprint']}"


def _counts(document: Document) -> Iterator[str]:
    splits = document["splits"]
    total = document["num_images"]
    rows = [("", *splits, "all", "share")]
    for name, of_class in document["images"]["classes"].items():
        counts = [split["classes"][name] for split in splits.values()]
        count = of_class["num_images"]
        numbers = (f"{number:,}" for number in (*counts, count))
        rows.append((printable(name), *numbers, share(count, total)))
    sizes = [split["num_images"] for split in splits.values()]
    rows.append(("all", *(f"{size:,}" for size in (*sizes, total)), ""))
    rows.append(("share", *(share(size, total) for size in sizes), "", ""))
    return table(rows)


def _images(document: Document) -> Iterator[str]:
    whole = document["images"]["all"]
    if document["encoding"] == "raw":
        height, width, channels = document["image_shape"]
        yield (
            f"All images are stored as pixels: {width} x {height} of {channels} channels, "
            f"{whole['mean_bytes']:,.0f} bytes. The set does not say what size, mode and format "
            "they had."
        )
        return
    classes = [*document["images"]["classes"].items(), ("all", whole)]
    rows: list[tuple[str, ...]] = [
        ("size, by area", "smallest", "median", "largest", "distinct", "mean kB", "mode", "format")
    ]
    ratios = [("width / height", *whole["aspect_ratios"])]
    for name, images in classes:
        if "sizes" not in images:
            continue  # a class without an image
        sizes = images["sizes"]
        corners = (sizes[which] for which in ("smallest", "median", "largest"))
        rows.append(
            (
                printable(name),
                *(f"{width}x{height}" for width, height in corners),
                f"{sizes['distinct']:,}",
                f"{images['mean_bytes'] / 1e3:.1f}",
                _kinds(images["modes"]),
                _kinds(images["formats"]),
            )
        )
        ratios.append((printable(name), *(f"{x:.2f}" for x in images["aspect_ratios"].values())))
    yield from table(rows)
    yield ""
    yield from table(ratios)


def _found(document: Document) -> Iterator[str]:
    found = document["found"]
    rows = [
        (f"  {word}", f"{count:,}", printable(reason))
        for word, reasons in (
            ("rejected", found["rejected"]),
            ("normalised", found["normalised"]),
            ("found", found["remarks"]),
            ("ignored", found["ignored"]),
        )
        for reason, count in reasons.items()
    ]
    groups = found["duplicate_groups"]
    if groups:
        images = sum(map(len, groups))
        reason = f"near-identical images in {counted(len(groups), 'group')}, each in one split"
        rows.append(("  grouped", f"{images:,}", reason))
    if not rows:
        yield "Of its source, nothing was rejected, normalised or ignored."
        return
    yield "What else its source held"
    width = max(len(row[1]) for row in rows)
    yield from (f"{word:12}  {count:>{width}}  {reason}" for word, count, reason in rows)
    rejected = [
        f"{printable(entry['file_name'])}: {printable(entry['reason'])}"
        for entry in found["rejected_files"]
    ]
    if rejected:
        yield "Rejected files"
        yield from first_lines(rejected)


def _kinds(counts: Mapping[str, int]) -> str:
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{kind} {count:,}" for kind, count in counts.items())


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
        f"Near-identical images: {leakage['images_in_groups']:,} in "
        f"{counted(leakage['groups'], 'group')}, of which {counted(across, 'group')} in more "
        "than one split"
    )
    remedy = "; make_tfrecords --group_duplicates keeps such images in one split" if across else ""
    yield (
        f"  {counted(leakage['test_images_also_in_train'], 'test image')} "
        f"({leakage['share_of_test']:.1%}) with one like it in training{remedy}"
    )
    pairs = (zip(pair["file_names"], pair["splits"], strict=True) for pair in leakage["pairs"])
    yield from first_lines([" and ".join(f"{printable(n)} ({s})" for n, s in p) for p in pairs])
    two_labels = leakage["groups_with_two_labels"]
    yield f"  {counted(len(two_labels), 'group')} under two labels"
    yield from first_lines(
        [
            ", ".join(f"{printable(e['file_name'])} ({printable(e['class'])})" for e in group)
            for group in two_labels
        ]
    )
