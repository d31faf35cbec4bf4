"""Turns labelled images into a checked set of TFRecord shards.

    python -m pipelines.make_tfrecords
    python -m pipelines.make_tfrecords --source=my_pictures --output_dir=data/my_pictures

The first draws a small sample to try things with; my_pictures is a folder of one folder a class.
Every image is decoded once; good ones are stored as they are, byte for byte. The set is split,
shuffled and written under a temporary name, and renamed into place when it is whole.
"""

import dataclasses
import functools
import os
from collections import Counter

from etils import epath

from pipelines.runtime.command import option, run
from pipelines.runtime.console import counted, readable_size, say, table
from pipelines.runtime.errors import InputError
from pipelines.runtime.tensorflow_runtime import import_tensorflow
from pipelines.sources.base import DEFAULT_DOWNLOAD_DIR
from pipelines.tfrecords.manifest import DEFAULT_IMAGE_SIZE, ENCODINGS, Manifest, Settings

DEFAULT_SHARDS = 8
_SHOWN = 5
# `option`, for each group of --help.
_images = functools.partial(option, group="Images")
_split = functools.partial(option, group="Split")
_output = functools.partial(option, group="Output")
_cluster = functools.partial(option, group="Cluster")


@dataclasses.dataclass(frozen=True)
class ConvertConfig:
    """The command's flags, checked."""

    source: str = _images(
        "sample",
        "Where the images come from: 'sample' (drawn by this project), 'caltech101' (downloaded), "
        "'tfds:NAME' or 'tfds:DIRECTORY' (TensorFlow Datasets), or the path or address (https://, "
        "gs://, s3://, ...) of a folder of class folders, of a .zip or .tar.gz of one, or of a "
        "list: a .csv with the columns path and label, or a .jsonl. Folders train, test and "
        "validation above the class folders are kept as the split.",
    )
    classes: tuple[str, ...] = _images(
        None,
        "Class folders to take. Not given: Faces, Leopards, Motorbikes and airplanes where the "
        "source has all four, else every folder.",
    )
    on_bad_image: str = _images(
        "fail",
        "What to do about an image that cannot be decoded: stop with its name, or leave it out and "
        "list it in the manifest.",
        choices=("fail", "skip"),
    )
    max_bad_images: int | None = _images(
        None, "Under --on_bad_image=skip, stop when there are more than so many."
    )
    download_dir: str = _images(
        DEFAULT_DOWNLOAD_DIR,
        "Where 'caltech101', downloads of TensorFlow Datasets and, under remote/, remote files "
        "are kept.",
    )
    split: str = _split(
        "auto",
        "Which parts there are: the source's own where it has train/ and test/ (and validation/), "
        "which 'source' demands; or all images divided anew. What the source lacks is taken out of "
        "its training part.",
        choices=("auto", "source", "stratified"),
    )
    test_fraction: float = _split(
        0.25, "Share of the images divided here that is kept for the test."
    )
    validation_fraction: float = _split(
        0.0, "Share of them that is kept for validation; 0 for none."
    )
    split_seed: int = _split(42, "Seed of the split, at least 0.")
    group_duplicates: bool = _split(
        False, "Keep images that look the same in one part, and refuse them under two labels."
    )
    output_dir: str = _output("data/tfrecords", "Where the set is written to.")
    encoding: str = _output(
        "jpeg",
        "What records hold: the images' own bytes, or pixels of --image_size, which training need "
        "not decode. `python -m pipelines.inspect` says when that pays.",
        choices=ENCODINGS,
    )
    image_size: int | None = _output(
        None, "Height and width of the pixels under --encoding=raw (96 there)."
    )
    shards: int | None = _output(
        None, "Files for the training part (8); the others get files of about that size."
    )
    shard_size_mb: float | None = _output(
        None, "Instead of --shards: the size of a file in megabytes, about."
    )
    seed: int = _output(0, "Seed of the order of the records, at least 0.")
    overwrite: bool = _output(False, "Replace another finished set in the output directory.")
    engine: str = _cluster(
        "local",
        "What does the work: the cores of this machine, or Apache Beam (extra [beam]), to the same "
        "bytes.",
        choices=("local", "beam"),
    )
    beam_pipeline_options: tuple[str, ...] = _cluster(
        (), "Beam's own options without their dashes, as in runner=DataflowRunner,project=mine."
    )

    def __post_init__(self) -> None:
        self._check_fractions()
        self._check_belonging()
        for name in ("source", "output_dir", "download_dir"):
            if not getattr(self, name):
                raise InputError(
                    f"received an empty --{name}, expected a name or a path; give one, or leave "
                    f"--{name} out."
                )
        least = {"shards": 1, "seed": 0, "split_seed": 0, "image_size": 1, "max_bad_images": 0}
        for name, minimum in least.items():
            value = getattr(self, name)
            if value is not None and value < minimum:
                raise InputError(
                    f"received --{name}={value}, expected {minimum} or more; raise it."
                )
        if self.split_seed >= 2**32:
            raise InputError(
                f"received --split_seed={self.split_seed}, expected less than 2**32; lower it."
            )
        if self.shard_size_mb is not None and not self.shard_size_mb > 0:
            raise InputError(
                f"received --shard_size_mb={self.shard_size_mb}, expected more than 0; raise it."
            )

    def _check_fractions(self) -> None:
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

    def _check_belonging(self) -> None:
        """Flags that mean nothing without another one, or against it."""
        if self.shards is not None and self.shard_size_mb is not None:
            raise InputError(
                f"received --shards={self.shards} and --shard_size_mb={self.shard_size_mb}, "
                "expected one of them; leave the other out."
            )
        needs = {
            "image_size": ("encoding", "raw"),
            "max_bad_images": ("on_bad_image", "skip"),
            "beam_pipeline_options": ("engine", "beam"),
        }
        for name, (other, value) in needs.items():
            if getattr(self, name) not in (None, ()) and getattr(self, other) != value:
                raise InputError(
                    f"received --{name} with --{other}={getattr(self, other)}, expected it with "
                    f"--{other}={value} only; leave one out."
                )

    def settings(self) -> Settings:
        """The choices that decide what is in the set, with what they are where not given."""
        names = [field.name for field in dataclasses.fields(Settings)]
        settings = Settings(**{name: getattr(self, name) for name in names})
        if settings.shards is None and settings.shard_size_mb is None:
            settings = dataclasses.replace(settings, shards=DEFAULT_SHARDS)
        if settings.encoding == "raw" and settings.image_size is None:
            settings = dataclasses.replace(settings, image_size=DEFAULT_IMAGE_SIZE)
        return settings


def main(config: ConvertConfig) -> None:
    """Carries out one conversion and prints what has been written."""
    # Here, so that --help and a wrong flag do not wait for scikit-learn.
    from pipelines.conversion.convert import check_destination, convert, find_identical
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
    manifest = None if config.overwrite else find_identical(output_dir, source, wanted)
    if manifest:
        say(f"{config.output_dir} already holds this very set; left as it is.")
    else:
        engine = None
        if config.engine == "beam":
            import_tensorflow()
            from pipelines.conversion.beam_engine import BeamEngine

            engine = BeamEngine(config.beam_pipeline_options)
        manifest = convert(source, settings, output_dir, overwrite=config.overwrite, engine=engine)
    print(_summary(manifest, config.output_dir))


def _summary(manifest: Manifest, output_dir: str) -> str:
    splits = manifest.splits
    counts = [split.class_counts for split in splits.values()]
    rows = [
        ("", *splits),
        *zip(manifest.class_names, *counts, strict=True),
        ("total", *(split.num_examples for split in splits.values())),
    ]
    lines = table([tuple(map(str, row)) for row in rows])
    extras = {
        "Ignored": manifest.source["ignored_files"],
        "Normalised": manifest.normalised,
        "Found": manifest.remarks,
        "Rejected": Counter(rejected.reason for rejected in manifest.rejected),
    }
    found = [
        f"{word}: {count} x {reason}"
        for word, reasons in extras.items()
        for reason, count in reasons.items()
    ]
    size = readable_size(sum(shard.num_bytes for shard in manifest.shards))
    head = f"{manifest.name} in {output_dir}: {len(manifest.shards)} shards, {size}"
    return "\n".join([head, *lines, *found, *_duplicate_lines(manifest)])


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
        f"Kept together: {counted(len(groups), 'group')} of images that look the same",
        *(f"  {one!r} and {other!r}" for one, other in pairs[:_SHOWN]),
        *more,
    ]


if __name__ == "__main__":
    run(main, ConvertConfig)
