"""What a conversion is asked to do: the flags of `pipelines.make_tfrecords`, checked."""

import dataclasses

from pipelines.conversion.settings import Settings
from pipelines.runtime.errors import InputError
from pipelines.runtime.flags import option
from pipelines.sources.download import DEFAULT_DOWNLOAD_DIR
from pipelines.tfrecords.manifest import ENCODINGS

DEFAULT_SHARDS = 8
DEFAULT_IMAGE_SIZE = 96  # the trainer's default, too


@dataclasses.dataclass(frozen=True)
class ConvertConfig:
    """The command's flags, checked."""

    source: str = option(
        "sample",
        "Where the images come from: 'sample' (drawn by this project), 'caltech101' (downloaded), "
        "'tfds:NAME' or 'tfds:DIRECTORY' (TensorFlow Datasets), or the path or address (https://, "
        "gs://, s3://, ...) of a folder of class folders, of a .zip or .tar.gz of one, or of a "
        "list: a .csv with the columns path and label, or a .jsonl. Folders train, test and "
        "validation above the class folders are kept as the split.",
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
    max_bad_images: int | None = option(
        None, "Under --on_bad_image=skip, stop when there are more than so many.", group="Images"
    )
    download_dir: str = option(
        DEFAULT_DOWNLOAD_DIR,
        "Where 'caltech101', downloads of TensorFlow Datasets and, under remote/, remote files "
        "are kept.",
        group="Images",
    )
    split: str = option(
        "auto",
        "Which parts there are: the source's own where it has train/ and test/ (and validation/), "
        "which 'source' demands; or all images divided anew. What the source lacks is taken out of "
        "its training part.",
        group="Split",
        choices=("auto", "source", "stratified"),
    )
    test_fraction: float = option(
        0.25, "Share of the images divided here that is kept for the test.", group="Split"
    )
    validation_fraction: float = option(
        0.0, "Share of them that is kept for validation; 0 for none.", group="Split"
    )
    split_seed: int = option(42, "Seed of the split, at least 0.", group="Split")
    group_duplicates: bool = option(
        False,
        "Keep images that look the same in one part, and refuse them under two labels.",
        group="Split",
    )
    output_dir: str = option("data/tfrecords", "Where the set is written to.", group="Output")
    encoding: str = option(
        "jpeg",
        "What records hold: the images' own bytes, or pixels of --image_size, which training need "
        "not decode. `python -m pipelines.inspect` says when that pays.",
        group="Output",
        choices=ENCODINGS,
    )
    image_size: int | None = option(
        None, "Height and width of the pixels under --encoding=raw (96 there).", group="Output"
    )
    shards: int | None = option(
        None,
        "Files for the training part (8); the others get files of about that size.",
        group="Output",
    )
    shard_size_mb: float | None = option(
        None, "Instead of --shards: the size of a file in megabytes, about.", group="Output"
    )
    seed: int = option(0, "Seed of the order of the records, at least 0.", group="Output")
    overwrite: bool = option(
        False, "Replace another finished set in the output directory.", group="Output"
    )
    engine: str = option(
        "local",
        "What does the work: the cores of this machine, or Apache Beam (extra [beam]), to the same "
        "bytes.",
        group="Cluster",
        choices=("local", "beam"),
    )
    beam_pipeline_options: tuple[str, ...] = option(
        (),
        "Beam's own options without their dashes, as in runner=DataflowRunner,project=mine.",
        group="Cluster",
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
