"""Finds the classes of a folder or archive, and its splits if it has any, from the names in it."""

import functools
import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from pipelines.runtime.console import printable
from pipelines.runtime.errors import InputError
from pipelines.sources.base import (
    STUDY_CLASSES,
    Listing,
    SourceImage,
    SplitCounts,
    Walk,
    clutter,
    is_image,
    split_named,
    total_counts,
)
from pipelines.tfrecords.manifest import SPLITS

_WANTED = "expected a folder of class folders, as in Faces/image_0001.jpg"
_MAX_LISTED = 12


def list_images(source: str, walk: Walk, streamed: bool) -> Listing:
    """Lists what `walk` gives, and finds the class folders in it.

    They lie side by side in one folder, or in the folders `train`, `test` and `validation` (or
    `val` or `valid`) of one folder. Folders above are seen through.

    Args:
        streamed: Whether bytes can be had only while the walk stands at their member.

    Raises:
        InputError: when there are no images, when their folders are no such class folders, and
            when a name stands there twice.
    """
    ignored: Counter[str] = Counter()
    images, folders = _names(source, walk, ignored)
    if not images:
        found = ", ".join(f"{count} x {why}" for why, count in ignored.items()) or "empty"
        raise InputError(
            f"received {source!r} without any image ({found}), {_WANTED}; pass the folder or "
            "archive that holds the class folders."
        )
    root, parents = _class_parents(source, {posixpath.dirname(name) for name in images}, folders)
    counts: dict[str, Counter[str]] = {split: Counter() for split in parents.values()}
    for name in images:
        parent, class_name = posixpath.split(posixpath.dirname(name))
        if class_name and parent in parents:
            counts[parents[parent]][class_name] += 1
        else:
            ignored["image outside the class folders"] += 1
    for folder in folders:
        parent, class_name = posixpath.split(folder)
        if parent in parents and folder not in parents:
            counts[parents[parent]][class_name] += 0
    return Listing(counts, ignored, functools.partial(_read, walk, streamed, root, parents))


def _read(
    walk: Walk, streamed: bool, root: str, parents: dict[str, str], classes: frozenset[str]
) -> Iterator[SourceImage]:
    """The images of `classes`, in the order of `walk`, named from `root` on."""
    for member in walk():
        parent, class_name = posixpath.split(posixpath.dirname(member.name))
        wanted = parent in parents and class_name in classes and is_image(member.name)
        if wanted and not (member.is_folder or member.unusable):
            read = functools.partial(bytes, member.read()) if streamed else member.read
            file_name = member.name.removeprefix(f"{root}/" if root else "")
            yield SourceImage(class_name, file_name, read, parents[parent], member.is_remote)


def _names(source: str, walk: Walk, ignored: Counter[str]) -> tuple[set[str], set[str]]:
    """The names of all images and of all folders; counts in `ignored` what is neither."""
    images: set[str] = set()
    folders: set[str] = set()
    for member in walk():
        if member.unusable:
            ignored[member.unusable] += 1
        elif member.is_folder:
            folders.update([] if clutter(member.name) else [member.name])
        elif reason := clutter(member.name):
            ignored[reason] += 1
        elif not is_image(member.name):
            ignored["no image by its name"] += 1
        elif member.name in images:
            raise InputError(
                f"received {source!r} with two members {member.name!r}, expected each once; "
                "make the archive again."
            )
        else:
            images.add(member.name)
    return images, folders


def _class_parents(
    source: str, holders: set[str], folders: Iterable[str]
) -> tuple[str, dict[str, str]]:
    """The root, '' for the source itself, and the folders whose sub-folders are classes.

    The latter with their splits: the root alone, with '', unless the source has splits of its own.

    Args:
        holders: The folders that images lie in directly. An image beside or above the class folders
            is in no class.
        folders: All folders, as far as the source names them.
    """
    if holders == {""}:
        raise InputError(
            f"received {source!r} with images but no class folders, {_WANTED}; sort the images "
            "into one folder a class."
        )
    # With a trailing name, so that a single class folder does not count as its own root.
    root = posixpath.commonpath(holders) if len(holders) > 1 else posixpath.dirname(*holders)
    deeper = holders - {root}
    if {posixpath.dirname(holder) for holder in deeper} == {root}:
        names = sorted(map(posixpath.basename, deeper))
        if len(names) > 1 and all(map(split_named, names)):
            raise InputError(
                f"received {source!r} with images directly in {', '.join(names)}, expected class "
                "folders in each of these, as in train/Faces/image_0001.jpg; sort the images into "
                "one folder a class."
            )
        return root, {root: ""}
    splits = _split_folders(source, root, deeper.union(folders))
    if len(splits) > 1 and all(h in splits or posixpath.dirname(h) in splits for h in deeper):
        return root, splits
    by_parent = {posixpath.dirname(holder): holder for holder in sorted(deeper)}
    found = " and ".join(repr(holder) for holder in sorted(by_parent.values())[:2])
    raise InputError(
        f"received {source!r} with images in folders of different depth or parent, as in {found}, "
        f"{_WANTED}, all in one folder or in its folders train, test and validation; pass that "
        "folder."
    )


def _split_folders(source: str, root: str, folders: Iterable[str]) -> dict[str, str]:
    """The folders in `root` that are named as splits and hold folders -> their splits."""
    splits: dict[str, str] = {}
    for folder in sorted({posixpath.dirname(folder) for folder in folders} - {""}):
        above, name = posixpath.split(folder)
        split = split_named(name) if above == root else ""
        if split in splits.values():
            other = next(other for other, of_other in splits.items() if of_other == split)
            raise InputError(
                f"received {source!r} with the folders {other!r} and {folder!r}, expected one for "
                f"the split {split!r}; put them together, or move one away."
            )
        splits.update({folder: split} if split else {})
    return splits


def choose_classes(
    split_counts: SplitCounts, classes: Sequence[str], source: str, *, for_training: bool = True
) -> dict[str, dict[str, int]]:
    """The counts of the classes wanted, in label order, by split: see `open_source`.

    Args:
        for_training: If not, one class is enough, each that has images counts unless chosen, and a
            split may lack some.

    Raises:
        InputError: when a class is missing or empty, also in one split only; when its name cannot
            stand in a file of labels; when fewer than two are left; and when there are splits but
            none for training.
    """
    split_counts = {split: split_counts[split] for split in ("", *SPLITS) if split in split_counts}
    available = total_counts(split_counts)
    if classes:
        chosen = sorted(set(classes))
    elif for_training and all(available.get(name) for name in STUDY_CLASSES):
        chosen = list(STUDY_CLASSES)
    else:
        chosen = [name for name, count in available.items() if count or for_training]
    missing = [name for name in chosen if name not in available]
    if missing:
        raise InputError(
            f"received the classes {_listed(missing)}, which {source!r} does not have, expected "
            f"some of {_listed(available)}; see to --classes."
        )
    if for_training:
        _check_chosen(chosen, available, source)
        if any(split_counts):
            _check_splits(chosen, split_counts, source)
    return {
        split: {name: counts.get(name, 0) for name in chosen}
        for split, counts in split_counts.items()
    }


def _check_chosen(chosen: list[str], available: dict[str, int], source: str) -> None:
    for name in chosen:
        # The file of labels that TensorFlow Datasets reads: a line a name, without blanks around.
        if not name.isprintable() or name != name.strip() or not name:
            raise InputError(
                f"received {source!r} with the class name {name!r}, expected printable characters "
                "in UTF-8 without blanks around them; rename the class."
            )
    empty = [name for name in chosen if not available[name]]
    if empty:
        raise InputError(
            f"received {source!r} with no image of the class {empty[0]!r}, expected images in "
            "every class; add some, or leave the class out with --classes."
        )
    if len(chosen) < 2:
        raise InputError(
            f"received {source!r} with the one class {chosen[0]!r}, expected at least two (there "
            f"are {_listed(available)}); add classes or see to --classes."
        )


def _check_splits(chosen: list[str], split_counts: SplitCounts, source: str) -> None:
    if "train" not in split_counts:
        raise InputError(
            f"received {source!r} with the splits {_listed(split_counts)}, expected 'train' among "
            "them; add it, or name no splits."
        )
    for split, counts in split_counts.items():
        lacking = [name for name in chosen if not counts.get(name)]
        if lacking:
            raise InputError(
                f"received {source!r} with no image of the class {lacking[0]!r} in the split "
                f"{split!r}, expected images of every class in every split; add some, or choose "
                "with --classes."
            )


def _listed(names: Iterable[str]) -> str:
    shown = list(map(printable, names))
    more = f" and {len(shown) - _MAX_LISTED} more" if len(shown) > _MAX_LISTED else ""
    return ", ".join(shown[:_MAX_LISTED]) + more
