"""Turns labelled images into a checked set of TFRecord shards.

Every image is decoded once; good ones are stored as they are, byte for byte. The set is split,
shuffled and written under a temporary name, and renamed into place when it is whole.
"""

import dataclasses
from collections import Counter
from pathlib import Path

from pipelines.command_line import option, run
from pipelines.download import DEFAULT_DOWNLOAD_DIR
from pipelines.errors import InputError
from pipelines.manifest import Manifest


@dataclasses.dataclass(frozen=True)
class ConvertConfig:
    """The command's flags, checked."""

    source: str = option(
        "sample",
        "Where the images come from: 'sample' (drawn by this project), 'caltech101' (downloaded), "
        "or the path of a folder of class folders or of a .zip or .tar.gz of one.",
        group="Images",
    )
    classes: tuple[str, ...] = option(
        None,
        "Class folders to take. Not given: Faces, Leopards, Motorbikes and airplanes where the "
        "source has all four, else every folder.",
        group="Images",
    )
    on_bad_image: str = option(
        "fail",
        "What to do about an image that cannot be decoded: stop with its name, or leave it out and "
        "list it in the manifest.",
        group="Images",
        choices=("fail", "skip"),
    )
    download_dir: str = option(
        DEFAULT_DOWNLOAD_DIR, "Where 'caltech101' is downloaded to, once.", group="Images"
    )
    test_fraction: float = option(
        0.25, "Share of all images kept for the test, between 0 and 1.", group="Split"
    )
    validation_fraction: float = option(
        0.0,
        "Share of all images kept for validation, taken out of the training part; 0 for none.",
        group="Split",
    )
    split_seed: int = option(42, "Seed of the split, at least 0.", group="Split")
    output_dir: str = option("data/tfrecords", "Where the set is written to.", group="Output")
    shards: int = option(
        8, "Files for the training part; the others get files of about that size.", group="Output"
    )
    seed: int = option(0, "Seed of the order of the records, at least 0.", group="Output")
    overwrite: bool = option(
        False, "Replace another finished set in the output directory.", group="Output"
    )

    def __post_init__(self) -> None:
        test, validation = self.test_fraction, self.validation_fraction
        fractions = f"--test_fraction={test} --validation_fraction={validation}"
        if not 0 < test < 1 or not 0 <= validation < 1:
            raise InputError(
                f"received {fractions}, expected a test share above 0 and below 1 and a validation "
                "share from 0 to below 1; try 0.25 and 0."
            )
        if test + validation >= 1:
            raise InputError(
                f"received {fractions}, expected a sum below 1 so that images are left to train "
                "on; lower one of them."
            )
        for name, least in (("shards", 1), ("seed", 0), ("split_seed", 0)):
            if getattr(self, name) < least:
                raise InputError(
                    f"received --{name}={getattr(self, name)}, expected {least} or more; raise it."
                )
        if self.split_seed >= 2**32:
            raise InputError(
                f"received --split_seed={self.split_seed}, expected less than 2**32; lower it."
            )


def main(config: ConvertConfig) -> None:
    """Carries out one conversion and prints what has been written."""
    # Here, so that --help and a wrong flag do not wait for scikit-learn.
    from pipelines.convert import Settings, convert
    from pipelines.destination import check_destination, find_identical
    from pipelines.sources import open_source

    output_dir = Path(config.output_dir).expanduser().resolve()
    names = [field.name for field in dataclasses.fields(Settings)]
    settings = Settings(**{name: getattr(config, name) for name in names})
    check_destination(output_dir, config.overwrite)
    source = open_source(config.source, config.classes or (), config.download_dir)
    print(f"{config.source}: {source.num_images} images in {len(source.class_names)} classes.")
    wanted = dataclasses.asdict(settings)
    identical = None if config.overwrite else find_identical(output_dir, source, wanted)
    if identical:
        print(f"{config.output_dir} already holds this very set; left as it is.")
    manifest = identical or convert(source, settings, output_dir, overwrite=config.overwrite)
    print(_summary(manifest, config.output_dir))


def _summary(manifest: Manifest, output_dir: str) -> str:
    splits = manifest.splits
    shards = [shard for split in splits.values() for shard in split.shards]
    megabytes = sum(shard.num_bytes for shard in shards) / 1e6
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
        "Rejected": Counter(rejected.reason for rejected in manifest.rejected),
    }
    for word, reasons in extras.items():
        lines += [f"{word}: {count} x {reason}" for reason, count in reasons.items()]
    head = f"{manifest.name} in {output_dir}: {len(shards)} shards, {megabytes:.1f} MB"
    return "\n".join([head, *lines])


if __name__ == "__main__":
    run(main, ConvertConfig)
