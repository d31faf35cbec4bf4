"""Turns labelled images into a checked set of TFRecord shards.

    python -m pipelines.make_tfrecords
    python -m pipelines.make_tfrecords --source=my_pictures --output_dir=data/my_pictures

The first draws a small sample to try things with; my_pictures is a folder of one folder a class.
Every image is decoded once; good ones are stored as they are, byte for byte. The set is split,
shuffled and written under a temporary name, and renamed into place when it is whole.
"""

import dataclasses
import os
from collections import Counter
from typing import TYPE_CHECKING

from etils import epath

from pipelines.conversion.convert_config import ConvertConfig
from pipelines.runtime.console import say
from pipelines.runtime.flags import run
from pipelines.runtime.tensorflow_runtime import import_tensorflow
from pipelines.tfrecords.manifest import Manifest

if TYPE_CHECKING:
    from pipelines.conversion.convert import Engine

_SHOWN = 5


def main(config: ConvertConfig) -> None:
    """Carries out one conversion and prints what has been written."""
    # Here, so that --help and a wrong flag do not wait for scikit-learn.
    from pipelines.conversion.convert import convert
    from pipelines.conversion.destination import check_destination, find_identical
    from pipelines.runtime.files import is_remote, remove_leftovers
    from pipelines.sources import open_source

    output_dir = epath.Path(config.output_dir)
    if not is_remote(config.output_dir):
        # Through links: nothing can be renamed onto one. (epath's own `resolve` leaves them.)
        output_dir = epath.Path(os.path.realpath(output_dir.expanduser()))
    settings = config.settings()
    remove_leftovers(output_dir)
    check_destination(output_dir, config.overwrite)
    source = open_source(config.source, config.classes or (), config.download_dir)
    say(f"{config.source}: {source.num_images} images in {len(source.class_names)} classes.")
    wanted = dataclasses.asdict(settings)
    identical = None if config.overwrite else find_identical(output_dir, source, wanted)
    if identical:
        say(f"{config.output_dir} already holds this very set; left as it is.")
    manifest = identical or convert(
        source, settings, output_dir, overwrite=config.overwrite, engine=_engine(config)
    )
    print(_summary(manifest, config.output_dir))


def _engine(config: ConvertConfig) -> "Engine | None":
    if config.engine == "local":
        return None
    import_tensorflow()
    from pipelines.conversion.beam import BeamEngine

    return BeamEngine(config.beam_pipeline_options)


def _summary(manifest: Manifest, output_dir: str) -> str:
    splits = manifest.splits
    megabytes = sum(shard.num_bytes for shard in manifest.shards) / 1e6
    counts = [split.class_counts for split in splits.values()]
    rows = [
        ("", *splits),
        *zip(manifest.class_names, *counts, strict=True),
        ("total", *(split.num_examples for split in splits.values())),
    ]
    width = max(len(str(row[0])) for row in rows)
    lines = [f"{row[0]:{width}}" + "".join(f"{cell:>12}" for cell in row[1:]) for row in rows]
    extras = {
        "Ignored": manifest.source["ignored_files"],
        "Normalised": manifest.normalised,
        "Found": manifest.remarks,
        "Rejected": Counter(rejected.reason for rejected in manifest.rejected),
    }
    for word, reasons in extras.items():
        lines += [f"{word}: {count} x {reason}" for reason, count in reasons.items()]
    head = f"{manifest.name} in {output_dir}: {len(manifest.shards)} shards, {megabytes:.1f} MB"
    return "\n".join([head, *lines, *_duplicate_lines(manifest)])


def _duplicate_lines(manifest: Manifest) -> list[str]:
    """The images that are there more than once, in pairs."""
    if not manifest.settings["group_duplicates"]:
        copies = manifest.source["byte_identical_images"]
        hint = "byte-identical to another image; --group_duplicates keeps such images in one part"
        return [f"Found: {copies} x {hint}"] if copies else []
    groups = manifest.duplicates
    pairs = [(group[0], other) for group in groups for other in group[1:]]
    more = [f"  and {len(pairs) - _SHOWN:,} more, in the manifest"] if len(pairs) > _SHOWN else []
    return [
        f"Kept together: {len(groups):,} groups of images that look the same",
        *(f"  {one!r} and {other!r}" for one, other in pairs[:_SHOWN]),
        *more,
    ]


if __name__ == "__main__":
    run(main, ConvertConfig)
