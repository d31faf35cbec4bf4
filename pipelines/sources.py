"""Labelled images, from wherever they come: the drawn sample, a folder, an archive, the web."""

import dataclasses
import functools
import hashlib
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pipelines.archives import Member, is_clutter, is_image, walk_archive, walk_folder
from pipelines.download import CALTECH101, DEFAULT_DOWNLOAD_DIR, download
from pipelines.errors import InputError

STUDY_CLASSES = ("Faces", "Leopards", "Motorbikes", "airplanes")
SAMPLE_SEED = 0  # one fixed drawing: the command's --seed orders records, whatever their source
_ARCHIVE_SUFFIX = re.compile(r"\.(zip|tar|tgz|tar\.gz)$", re.IGNORECASE)

Walk = Callable[[], Iterator[Member]]


class SourceImage(NamedTuple):
    """One file as its source gives it; `file_name` is its path from the folder of classes."""

    class_name: str
    file_name: str
    data: bytes


@dataclasses.dataclass(frozen=True)
class Source:
    """Labelled images, listed but not yet read.

    Attributes:
        kind: 'sample', 'caltech101', 'folder' or 'archive'.
        name: Its own name, without folders and extension.
        class_counts: Chosen class -> number of its files; in label order.
        ignored_files: Reason -> number of files that are no part of any class.
        images: Starts a pass over the chosen images, in the source's own order.
    """

    kind: str
    name: str
    class_counts: dict[str, int]
    ignored_files: dict[str, int]
    images: Callable[[], Iterator[SourceImage]]

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


def open_source(
    name: str, classes: Sequence[str] = (), download_dir: str = DEFAULT_DOWNLOAD_DIR
) -> Source:
    """Lists a source of labelled images, without reading them.

    Args:
        name: 'sample', 'caltech101', or the path of a folder of class folders or of a .zip, .tar.gz
            or .tar of one. A folder above the class folders is seen through.
        classes: The classes wanted; none for the study's four where the source has them all, else
            for every class.
        download_dir: Where 'caltech101' is kept.

    Raises:
        InputError: when there is no such source, when it is no folder of class folders, when a
            class is missing or empty, and when fewer than two are left.
    """
    if name == "sample":
        return _sample(classes)
    path = download(CALTECH101, download_dir) if name == "caltech101" else Path(name).expanduser()
    if not path.exists():
        raise InputError(
            f"received the source {name!r}, which does not exist, expected 'sample', 'caltech101', "
            "or the path of a folder of class folders or of a .zip or .tar.gz of one; see to "
            "the path."
        )
    walk = _walk_of(path)
    listing = _Listing(name, walk)
    counts = _choose(listing.class_counts, classes, name)
    kind = "caltech101" if name == "caltech101" else "folder" if path.is_dir() else "archive"
    return Source(
        kind=kind,
        name="caltech101" if name == "caltech101" else _own_name(path),
        class_counts=counts,
        ignored_files=dict(sorted(listing.ignored.items())),
        images=functools.partial(_read_images, walk, listing.root, frozenset(counts)),
    )


def fingerprint(identities: Iterable[tuple[str, str, str]]) -> str:
    """SHA-256 over (file name, class, SHA-256 of the bytes) of every image, sorted."""
    sha256 = hashlib.sha256()
    for identity in sorted(identities):
        sha256.update("\0".join(identity).encode() + b"\n")
    return sha256.hexdigest()


def _sample(classes: Sequence[str]) -> Source:
    from pipelines.sample import CLASS_NAMES, IMAGES_PER_CLASS, draw_sample

    counts = _choose(dict.fromkeys(CLASS_NAMES, IMAGES_PER_CLASS), classes, "sample")

    def images() -> Iterator[SourceImage]:
        for class_name, file_name, data in draw_sample(SAMPLE_SEED, IMAGES_PER_CLASS):
            if class_name in counts:
                path = posixpath.join(class_name, posixpath.basename(file_name))
                yield SourceImage(class_name, path, data)

    return Source("sample", "sample", counts, {}, images)


def _walk_of(path: Path) -> Walk:
    if path.is_dir():
        return functools.partial(walk_folder, path)
    outer = functools.partial(walk_archive, path, nested=False)
    # Archives inside are looked into only where the images are not to be had without.
    if any(is_image(member.name) and not member.is_folder for member in outer()):
        return outer
    return functools.partial(walk_archive, path, nested=True)


def _read_images(walk: Walk, root: str, classes: frozenset[str]) -> Iterator[SourceImage]:
    for member in walk():
        folder, class_name = posixpath.split(posixpath.dirname(member.name))
        wanted = folder == root and class_name in classes and is_image(member.name)
        if wanted and not (member.is_folder or member.unusable):
            yield SourceImage(
                class_name, posixpath.relpath(member.name, root or "."), member.read()
            )


class _Listing:
    """What one pass over the names in a source tells.

    Attributes:
        root: The folder whose sub-folders are the classes; '' for the source itself.
        class_counts: Class -> number of images, 0 for a folder without any; sorted by name.
        ignored: Reason -> number of files.
    """

    def __init__(self, source: str, walk: Walk):
        self.ignored: Counter[str] = Counter()
        images, folders = self._walk(source, walk)
        self.root = self._find_root(source, images)
        loose = [name for name in images if posixpath.dirname(name) == self.root]
        self.ignored.update({"image outside the class folders": len(loose)} if loose else {})
        in_class = (posixpath.dirname(name) for name in images.difference(loose))
        counts = Counter(posixpath.basename(folder) for folder in in_class)
        counts.update(
            {posixpath.basename(f): 0 for f in folders if posixpath.dirname(f) == self.root}
        )
        self.class_counts = {name: counts[name] for name in sorted(counts)}

    def _walk(self, source: str, walk: Walk) -> tuple[set[str], set[str]]:
        images: set[str] = set()
        folders: set[str] = set()
        for member in walk():
            if member.unusable:
                self.ignored[member.unusable] += 1
            elif member.is_folder:
                folders.update([] if is_clutter(member.name) else [member.name])
            elif is_clutter(member.name):
                self.ignored["file of the operating system"] += 1
            elif not is_image(member.name):
                self.ignored["no image by its name"] += 1
            elif member.name in images:
                raise InputError(
                    f"received {source!r} with two members {member.name!r}, expected each once; "
                    "make the archive again."
                )
            else:
                images.add(_printable(member.name))
        return images, folders

    def _find_root(self, source: str, images: set[str]) -> str:
        """The folder above all class folders; images lying in it directly are in no class."""
        wanted = "expected a folder of class folders, as in Faces/image_0001.jpg"
        if not images:
            ignored = ", ".join(f"{count} x {why}" for why, count in self.ignored.items())
            raise InputError(
                f"received {source!r} without any image ({ignored or 'empty'}), {wanted}; pass the "
                "folder or archive that holds the class folders."
            )
        holders = {posixpath.dirname(name) for name in images}
        if holders == {""}:
            raise InputError(
                f"received {source!r} with images but no class folders, {wanted}; sort the images "
                "into one folder a class."
            )
        # With a trailing name, so that a single class folder does not count as its own root.
        top = posixpath.commonpath(holders) if len(holders) > 1 else posixpath.dirname(*holders)
        parents = {posixpath.dirname(holder): holder for holder in sorted(holders - {top})}
        if set(parents) != {top}:
            found = " and ".join(repr(holder) for holder in sorted(parents.values())[:2])
            raise InputError(
                f"received {source!r} with images in folders of different depth or parent, as in "
                f"{found}, {wanted}, all in one folder; pass that folder."
            )
        return top


def _choose(available: dict[str, int], classes: Sequence[str], source: str) -> dict[str, int]:
    whole_study = all(available.get(name) for name in STUDY_CLASSES)
    chosen = sorted(set(classes)) or (list(STUDY_CLASSES) if whole_study else sorted(available))
    missing = [name for name in chosen if name not in available]
    if missing:
        raise InputError(
            f"received the classes {', '.join(missing)}, which {source!r} does not have, expected "
            f"some of {', '.join(available)}; see to --classes."
        )
    empty = [name for name in chosen if not available[name]]
    if empty:
        raise InputError(
            f"received {source!r} with no image in the class folder {empty[0]!r}, expected images "
            "in every class; add some, remove the folder, or choose with --classes."
        )
    if len(chosen) < 2:
        raise InputError(
            f"received {source!r} with the one class {chosen[0]!r}, expected at least two (there "
            f"are {', '.join(available)}); add class folders or see to --classes."
        )
    return {name: available[name] for name in chosen}


def _printable(name: str) -> str:
    if not name.isprintable():
        raise InputError(
            f"received the file name {name!r}, expected printable characters in UTF-8; rename it."
        )
    return name


def _own_name(path: Path) -> str:
    name = path.resolve().name
    return name if path.is_dir() else _ARCHIVE_SUFFIX.sub("", name)
