"""A finished set of shards: what its manifest says of it, and the cheap check that it is all there.

`manifest.json` is written last, next to the shards. Readers go by it, never by a glob: TensorFlow
gives no error for a shard that is missing, empty or cut at the boundary of a record.
"""

import dataclasses
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from pipelines.runtime.errors import InputError
from pipelines.runtime.files import any_path, is_free, size_of

if TYPE_CHECKING:  # see `any_path`
    from etils import epath

__all__ = [
    "Manifest",
    "Settings",
    "Shard",
    "ShardedDataset",
    "Split",
    "check_shards",
    "load_manifest",
    "open_dataset",
]

SCHEMA_VERSION = 3
MANIFEST_NAME = "manifest.json"
LABELS_NAME = "label.labels.txt"  # where TensorFlow Datasets keeps the names of the feature 'label'
# 'jpeg': encoded bytes, JPEG for most sets (PNG passes, and decodes the same way).
# 'raw': the pixels, uint8, row by row, of the shape that the manifest gives.
ENCODINGS = ("jpeg", "raw")
SPLITS = ("train", "test", "validation")
DEFAULT_IMAGE_SIZE = 96  # of pixels under 'raw'; the trainer's default, too
# The entry of a manifest's `source` by which a set of pixels that --cache=disk made is known.
DECODED_FROM = "decoded_from"

_MAKE_ONE = "make one with `python -m pipelines.make_tfrecords --source=... --output_dir={}`."
_MAKE_ANOTHER = _MAKE_ONE.format("ANOTHER_DIRECTORY")  # where what is there may be anything


@dataclasses.dataclass(frozen=True)
class Settings:
    """The choices that decide what is in a set, beside the images themselves."""

    # test_fraction, validation_fraction: Shares of the images that the source does not divide
    # itself, in (0, 1) and [0, 1); 0 for no validation split.
    test_fraction: float = 0.25
    validation_fraction: float = 0.0
    # 'auto' or 'source' to keep the parts that the source gives, which 'source' demands;
    # 'stratified' to divide all images anew.
    split: str = "auto"
    split_seed: int = 42  # of that division, at least 0
    group_duplicates: bool = False  # whether images that look the same are kept in one part
    encoding: str = "jpeg"  # 'jpeg' to store encoded bytes, 'raw' to store pixels
    image_size: int | None = None  # height and width of the pixels under 'raw'; None under 'jpeg'
    on_bad_image: str = "fail"  # 'fail' or 'skip'
    # Under 'skip', how many are too many by one; None for no limit.
    max_bad_images: int | None = None
    seed: int = 0  # of the order of the records
    shards: int | None = 8  # files for the training part; None where `shard_size_mb` is given
    shard_size_mb: float | None = None  # size of a file in megabytes, about


@dataclasses.dataclass(frozen=True)
class Shard:
    """One file of records."""

    name: str
    num_examples: int
    num_bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Split:
    """One part of the set; `class_counts` is in label order."""

    class_counts: tuple[int, ...]
    shards: tuple[Shard, ...]

    @property
    def num_examples(self) -> int:
        return sum(shard.num_examples for shard in self.shards)


@dataclasses.dataclass(frozen=True)
class Rejected:
    """One file of the source that is not in the set."""

    file_name: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A finished set."""

    schema_version: int
    name: str  # the data set's name, a valid name for TensorFlow Datasets
    class_names: tuple[str, ...]  # in label order, which is their sorted order
    splits: dict[str, Split]  # 'train', 'test' and, where asked for, 'validation'
    encoding: str  # what the records hold, one of `ENCODINGS`
    # Height, width, channels; None where it differs from image to image.
    image_shape: tuple[int | None, ...]
    # 'kind', 'name', 'num_images', 'fingerprint' (of names, classes and bytes of the chosen files)
    # and 'ignored_files' (reason -> count).
    source: dict[str, Any]
    settings: dict[str, Any]  # the fields of `Settings`
    rejected: tuple[Rejected, ...]  # files left out under `--on_bad_image=skip`, by name
    normalised: dict[str, int]  # why images were re-encoded -> how many
    # What else was found in accepted images, as a format that is not their name's -> how many.
    remarks: dict[str, int]
    # Groups of near-identical images, by name, that `--group_duplicates` found.
    duplicates: tuple[tuple[str, ...], ...]
    # Name of each file beside the shards, those that TensorFlow Datasets wants and the index of the
    # records -> its SHA-256.
    metadata: dict[str, str]

    @property
    def shards(self) -> tuple[Shard, ...]:
        """The shards of all splits, split by split."""
        return tuple(shard for split in self.splits.values() for shard in split.shards)

    @property
    def file_names(self) -> frozenset[str]:
        """The names of all files of the set."""
        return frozenset({MANIFEST_NAME, *self.metadata, *(shard.name for shard in self.shards)})

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the class names and the shards' hashes: names the data, not the place."""
        shards = {name: [shard.sha256 for shard in s.shards] for name, s in self.splits.items()}
        document = {"class_names": self.class_names, "splits": shards}
        return _sha256_of(document)


@dataclasses.dataclass(frozen=True)
class ShardedDataset:
    """A finished set: where it is, and what is in it."""

    directory: "epath.Path"  # of the shards, local or wherever `epath` can read; any path is taken
    manifest: Manifest

    def __post_init__(self) -> None:
        object.__setattr__(self, "directory", any_path(self.directory))

    def path(self, name: str) -> str:
        """The path of one of its files."""
        return os.fspath(self.directory / name)


def open_dataset(data_dir: str | os.PathLike[str]) -> ShardedDataset:
    """Opens a finished set; its shards are not looked at, see `check_shards`.

    Raises:
        InputError: as `load_manifest`.
    """
    return ShardedDataset(any_path(data_dir).expanduser(), load_manifest(data_dir))


def manifest_bytes(manifest: Manifest) -> bytes:
    """The content of `manifest.json`, the same bytes for the same manifest.

    Its last entry, `checksum`, is the SHA-256 of all the others: a set is found damaged also where
    the damage is in what it says of itself.
    """
    document = dataclasses.asdict(manifest)
    document["checksum"] = _sha256_of(document)
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    # A file name's bytes that are no UTF-8 become JSON escapes, such as \udcff, and come back.
    return text.encode("utf-8", "backslashreplace")


def write_manifest(directory: str | os.PathLike[str], manifest: Manifest) -> None:
    """Writes `manifest.json` into `directory`."""
    (any_path(directory) / MANIFEST_NAME).write_bytes(manifest_bytes(manifest))


def load_manifest(data_dir: str | os.PathLike[str]) -> Manifest:
    """Reads the manifest of a finished set.

    Raises:
        InputError: when there is no such directory or no manifest in it, or when the manifest is
            unreadable, of another schema version, incomplete, or contradicts itself.
    """
    path = (any_path(data_dir) / MANIFEST_NAME).expanduser()
    if not path.is_file():
        lack = f" without a {MANIFEST_NAME}" if path.parent.is_dir() else ", which does not exist"
        make_one = _MAKE_ONE.format(data_dir) if is_free(path.parent) else _MAKE_ANOTHER
        raise InputError(
            f"received the data directory {str(data_dir)!r}{lack}, expected a finished set of "
            f"shards; {make_one}"
        )
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, f"cannot be read ({error})") from error
    return _parse(path, document)


def check_shards(dataset: ShardedDataset) -> None:
    """Checks, without reading the shards, that each is there with its size.

    Also checks that TensorFlow Datasets' label names, where present, are the manifest's.

    Raises:
        InputError: naming the first shard that is missing or of another size.
    """
    manifest = dataset.manifest
    for shard in manifest.shards:
        path = dataset.directory / shard.name
        received = _size(path)
        if received != f"{shard.num_bytes} bytes":
            raise InputError(
                f"received the shard {str(path)!r} with {received}, expected {shard.num_bytes} "
                "bytes as its manifest says; copy the set again, or make it again from its source "
                "with the same flags and --overwrite."
            )
    labels = dataset.directory / LABELS_NAME
    if labels.is_file():
        names = tuple(labels.read_text(encoding="utf-8").splitlines())
        if names != manifest.class_names:
            raise InputError(
                f"received the classes {', '.join(names)} in {str(labels)!r}, expected "
                f"{', '.join(manifest.class_names)} as in {MANIFEST_NAME}; these files are of "
                "different sets: copy the set again or make it again."
            )


def _size(path: "epath.Path") -> str:
    if not path.is_file():
        return "no such file"
    try:
        with path.open("rb") as stream:  # `path.stat` would fail where the owner has no name
            return f"{size_of(stream)} bytes"
    except OSError as error:
        return f"bytes that cannot be read ({error.strerror or error})"


def _parse(path: "epath.Path", document: Any) -> Manifest:
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        raise InputError(
            f"received {str(path)!r} with schema version {version!r}, expected {SCHEMA_VERSION}; "
            + ("update this program, or " if newer else "")
            + _MAKE_ANOTHER
        )
    checksum = document.pop("checksum", None)
    try:
        manifest = _manifest_from(document)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        problem = "lacks the field" if isinstance(error, KeyError) else "is not one:"
        raise _damaged(path, f"{problem} {error}") from error
    if checksum != _sha256_of(document):
        raise _damaged(path, "does not agree with its own checksum")
    return manifest


def _manifest_from(document: dict[str, Any]) -> Manifest:
    values = {field.name: document[field.name] for field in dataclasses.fields(Manifest)}
    values["splits"] = {
        name: Split(
            tuple(map(int, split["class_counts"])), tuple(map(_shard_from, split["shards"]))
        )
        for name, split in document["splits"].items()
    }
    values["class_names"] = tuple(document["class_names"])
    values["image_shape"] = tuple(document["image_shape"])
    values["duplicates"] = tuple(tuple(group) for group in document["duplicates"])
    values["rejected"] = tuple(
        Rejected(entry["file_name"], entry["reason"]) for entry in document["rejected"]
    )
    manifest = Manifest(**values)
    if "train" not in manifest.splits:
        raise ValueError("it has no split 'train'")
    for name, split in manifest.splits.items():
        counts = split.class_counts
        if len(counts) != len(manifest.class_names) or sum(counts) != split.num_examples:
            raise ValueError(f"the counts of the split {name!r} do not add up")
    return manifest


def _shard_from(document: dict[str, Any]) -> Shard:
    name = str(document["name"])
    if name != os.path.basename(name) or name in ("", ".", ".."):
        raise ValueError(f"the shard {name!r} lies outside the data directory")
    counts = int(document["num_examples"]), int(document["num_bytes"])
    return Shard(name, *counts, str(document["sha256"]))


def _sha256_of(document: dict[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _damaged(path: "epath.Path", problem: str) -> InputError:
    return InputError(
        f"received {str(path)!r}, which {problem}, expected a manifest as make_tfrecords writes "
        f"it; copy the set again, or {_MAKE_ANOTHER}"
    )
