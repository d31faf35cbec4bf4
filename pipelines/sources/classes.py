"""Which classes of a source are taken, and whether there are images of each of them."""

import itertools
from collections.abc import Iterable, Sequence

from pipelines.runtime.errors import InputError
from pipelines.sources.base import STUDY_CLASSES, total_counts

_MAX_LISTED = 12

SplitCounts = dict[str, dict[str, int]]


def choose_classes(
    split_counts: SplitCounts, classes: Sequence[str], source: str, *, for_training: bool = True
) -> SplitCounts:
    """The counts of the classes wanted, in label order.

    Args:
        split_counts: Split, or '' -> class -> number of images.
        classes: Those wanted; none for the study's four where the source has them all, else for
            every class.
        source: Its name, for errors.
        for_training: Whether a model is to be trained to tell them apart. If not, one is enough,
            each that has images counts unless chosen, and a split may lack some.

    Raises:
        InputError: when a class is missing or empty, also in one split only; when its name cannot
            stand in a file of labels; when fewer than two are left; and when there are splits but
            none for training.
    """
    available = total_counts(split_counts)
    if not for_training:
        chosen = sorted(set(classes)) or [name for name, count in available.items() if count]
        _check_available(chosen, available, source)
        return {
            split: {name: counts.get(name, 0) for name in chosen}
            for split, counts in split_counts.items()
        }
    whole_study = all(available.get(name) for name in STUDY_CLASSES)
    chosen = sorted(set(classes)) or (list(STUDY_CLASSES) if whole_study else sorted(available))
    _check_chosen(chosen, available, source)
    if any(split_counts):
        _check_splits(chosen, split_counts, source)
    return {
        split: {name: counts[name] for name in chosen} for split, counts in split_counts.items()
    }


def _check_available(chosen: list[str], available: dict[str, int], source: str) -> None:
    missing = [name for name in chosen if name not in available]
    if missing:
        raise InputError(
            f"received the classes {_listed(missing)}, which {source!r} does not have, expected "
            f"some of {_listed(available)}; see to --classes."
        )


def _check_chosen(chosen: list[str], available: dict[str, int], source: str) -> None:
    _check_available(chosen, available, source)
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
            "every class; add some, remove the class, or choose with --classes."
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
    shown = [name if name.isprintable() else repr(name) for name in names]
    more = len(shown) - _MAX_LISTED
    return ", ".join(itertools.islice(shown, _MAX_LISTED)) + (
        f" and {more} more" if more > 0 else ""
    )
