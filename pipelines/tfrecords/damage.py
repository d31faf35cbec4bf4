"""Says which record is damaged where TensorFlow says no more than that something is."""

import contextlib
import os
from collections.abc import Iterator, Sequence

import tensorflow as tf

from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import Manifest
from pipelines.tfrecords.shard_check import Problem
from pipelines.tfrecords.verification import verify

_RAISED_FOR_DAMAGE = (
    tf.errors.DataLossError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
)


# The entry of a manifest's `source` by which a set of pixels that --cache=disk made is known.
DECODED_FROM = "decoded_from"


def check_sound(data_dir: str | os.PathLike[str]) -> None:
    """Reads all of a set and compares it with its manifest.

    Raises:
        InputError: if anything is not as it was written, naming the first file and record.
    """
    verification = verify(data_dir)
    if verification.problems:
        raise _damaged(data_dir, verification.manifest, verification.problems)


@contextlib.contextmanager
def damage_named(data_dir: str | os.PathLike[str]) -> Iterator[None]:
    """Turns what TensorFlow raises for damaged shards into one line that names file and record.

    TensorFlow names an offset at the most. So the set is verified when reading it has failed, which
    takes a second for a gigabyte. An error that is not the data's is passed on.

    Raises:
        InputError: if the set in `data_dir` is damaged.
    """
    try:
        yield
    except _RAISED_FOR_DAMAGE as error:
        verification = verify(data_dir)
        known = verification.manifest.file_names if verification.manifest else frozenset()
        # A file too many lies in nobody's way.
        problems = [p for p in verification.problems if p.file in known or not known]
        if not problems:
            raise
        raise _damaged(data_dir, verification.manifest, problems) from error


def _damaged(
    data_dir: str | os.PathLike[str], manifest: Manifest | None, problems: Sequence[Problem]
) -> InputError:
    count = len(problems)
    # Rather a record than the file that it is in.
    first = next((p for p in problems if p.record is not None), problems[0])
    where = first.file if first.record is None else f"{first.file}, record {first.record}"
    again = "copy the set again or make it again"
    if manifest and DECODED_FROM in manifest.source:
        again = f"remove {os.fspath(data_dir)}, which the next run with --cache=disk makes again"
    return InputError(
        f"received {os.fspath(data_dir)!r} with {count} problem{'s' if count > 1 else ''} (the "
        f"first in {where}: {first.problem}), expected a set as it was written; see `python -m "
        f"pipelines.verify --data_dir={data_dir}`, and {again}."
    )
