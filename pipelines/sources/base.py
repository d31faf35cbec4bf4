"""What a source gives: labelled images, listed but not yet read; and how they are read ahead."""

import collections
import contextlib
import dataclasses
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from pipelines.runtime.machine import threads
from pipelines.tfrecords.manifest import SPLITS

DEFAULT_DOWNLOAD_DIR = "~/tensorflow_datasets/downloads"  # where TFDS keeps its own
STUDY_CLASSES = ("Faces", "Leopards", "Motorbikes", "airplanes")
_SPLITS_BY_NAME = {**{split: split for split in SPLITS}, "val": "validation", "valid": "validation"}
# More than any photograph; keeps a member that inflates without end from filling the memory. One
# byte beyond it is handed on, so that the validation sees that it was too large.
MAX_FILE_BYTES = 1 << 28
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
_CLUTTER = {
    ".ds_store": "file of macOS (.DS_Store)",
    "__macosx": "file of macOS (__MACOSX)",
    "thumbs.db": "file of Windows (Thumbs.db)",
    "desktop.ini": "file of Windows (desktop.ini)",
    "tmp": "temporary file (tmp)",
}
_GROUP_BYTES = 4_000_000  # large files go in smaller groups, which bounds the memory
_CONNECTIONS = 16  # a fetch mostly waits for the network, whatever the number of cores
Item = TypeVar("Item")
SplitCounts = Mapping[str, Mapping[str, int]]  # split, or '' -> class -> number of images


class SourceImage(NamedTuple):
    """One file as its source gives it."""

    class_name: str
    # Its path from the folder of classes, or from that of the splits, with forward slashes; another
    # name that no second image has where there are no such folders. Bytes that are no UTF-8 stand
    # in it as Python's file system functions give them (surrogateescape).
    file_name: str
    # Gives the file's bytes, from any thread or process; raises InputError.
    read: Callable[[], bytes]
    split: str = ""  # 'train', 'test' or 'validation' where the source itself says so, else ''
    # Whether `read` waits for another machine, so that many should wait at a time.
    is_remote: bool = False


class Listing(NamedTuple):
    """What one pass over the names in a source tells, and how its images are read."""

    split_counts: SplitCounts  # 0 for a class folder without any image
    ignored: Mapping[str, int]  # reason -> number of files
    # Starts a pass over the images of the classes given, in the source's own order.
    read: Callable[[frozenset[str]], Iterator[SourceImage]]


@dataclasses.dataclass(frozen=True)
class Source:
    """Labelled images, listed but not yet read."""

    kind: str  # 'sample', 'caltech101', 'folder', 'archive', 'list' or 'tfds'
    name: str  # its own name, without folders and extension
    # Split -> chosen class -> number of its files, the classes in label order. The splits that the
    # source itself has, two or three of 'train', 'test' and 'validation', in this order; or ''
    # alone where it has none.
    split_counts: dict[str, dict[str, int]]
    ignored_files: dict[str, int]  # reason -> number of files that are no part of any class
    # Starts a pass over the chosen images, in the source's own order.
    images: Callable[[], Iterator[SourceImage]]

    @property
    def class_counts(self) -> dict[str, int]:
        """Chosen class -> number of its files in all splits; in label order."""
        return total_counts(self.split_counts)

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(self.class_counts)

    @property
    def num_images(self) -> int:
        return sum(self.class_counts.values())

    @property
    def dataset_name(self) -> str:
        """A valid name for TensorFlow Datasets; the study's four classes are `caltech4`."""
        if self.kind == "sample":
            return "drawn4"
        if self.class_names == STUDY_CLASSES:
            return "caltech4"
        words = re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", self.name).lower()
        name = re.sub("[^a-z0-9]+", "_", words).strip("_")
        return name if name[:1].isalpha() else f"images_{name}".strip("_")


def split_named(name: str) -> str:
    """The split that a folder or entry of this name is; '' for none. 'Val' is 'validation'."""
    return _SPLITS_BY_NAME.get(name.lower(), "")


def total_counts(split_counts: SplitCounts) -> dict[str, int]:
    """Class -> count over all splits, sorted by name."""
    total: Counter[str] = Counter()
    for counts in split_counts.values():
        total.update(counts)
    return {name: total[name] for name in sorted(total)}


def fingerprint(identities: Iterable[tuple[str, ...]]) -> str:
    """SHA-256 that names a collection of tuples of strings, whatever their order.

    Args:
        identities: As (file name, class, split, SHA-256 of the bytes) of every image. Each string
            counts with its length, so that no character in a name can make two tuples alike.
    """
    sha256 = hashlib.sha256()
    # Sorted digests, not sorted tuples: the same few bytes an image, however long its names are.
    for digest in sorted(map(_digest, identities)):
        sha256.update(digest)
    return sha256.hexdigest()


def _digest(identity: tuple[str, ...]) -> bytes:
    sha256 = hashlib.sha256()
    for part in identity:
        encoded = part.encode("utf-8", "surrogateescape")
        sha256.update(b"%d:%b" % (len(encoded), encoded))
    return sha256.digest()


@dataclasses.dataclass(frozen=True)
class Member:
    """One file or folder."""

    # Path inside the source, relative, with forward slashes. Bytes that are no UTF-8 stand in it as
    # Python's file system functions give them (surrogateescape).
    name: str
    # Gives the file's bytes; to be called before the next member is asked for.
    read: Callable[[], bytes] = bytes
    is_folder: bool = False  # whether it is a folder, which has no bytes
    unusable: str = ""  # why its bytes cannot be had; '' when they can
    is_remote: bool = False  # whether `read` waits for another machine


Walk = Callable[[], Iterator[Member]]  # starts a pass over all members, the same at each pass


def clutter(name: str) -> str:
    """Which leftover of an operating system or program a path is; '' for one that is none.

    What lies in a folder of such a name is clutter, too.
    """
    for part in name.split("/"):
        if reason := _CLUTTER.get(part.lower()):
            return reason
        if part.startswith("."):
            return "hidden file"
    return ""


def is_image(name: str) -> bool:
    """Whether a path is named as images are; the validation tells whether it is one."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not clutter(name)


def take_ahead(items: Iterable[Item], count: int) -> Iterator[Item]:
    """`items`, of which `count` more than were asked for have been taken at any time."""
    taken: collections.deque[Item] = collections.deque()
    for item in items:
        taken.append(item)
        if len(taken) > count:
            yield taken.popleft()
    while taken:
        yield taken.popleft()


@contextlib.contextmanager
def read_ahead(images: Iterable[SourceImage]) -> Iterator[Iterator[tuple[SourceImage, bytes]]]:
    """Gives `images` with their bytes, in order; an `InputError` at one that cannot be read.

    Those of other machines are fetched by several threads at a time. Those of this machine are
    read when they are asked for.
    """
    with threads(_CONNECTIONS) as pool:
        reads = ((i, pool.submit(i.read).result if i.is_remote else i.read) for i in images)
        yield ((image, read()) for image, read in take_ahead(reads, 2 * _CONNECTIONS))


def in_groups(
    files: Iterable[tuple[SourceImage, bytes]], most: int
) -> Iterator[list[tuple[SourceImage, bytes]]]:
    """`files` in lists of at most `most`, and of fewer where they are large."""
    group: list[tuple[SourceImage, bytes]] = []
    num_bytes = 0
    for image, data in files:
        group.append((image, data))
        num_bytes += len(data)
        if len(group) == most or num_bytes >= _GROUP_BYTES:
            yield group
            group, num_bytes = [], 0
    if group:
        yield group
