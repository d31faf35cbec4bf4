"""Keeps the decoded images of a data set on the disk, where later runs find them again."""

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Iterator
from typing import Any

from etils import epath

from pipelines.loading.pixel_set import ORIGIN, origin_of, pixel_set_bytes, write_pixel_set
from pipelines.runtime import console
from pipelines.runtime.console import megabytes
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import (
    atomic_directory,
    check_movable,
    is_free,
    is_locked,
    is_remote,
    locked,
    nearest_existing,
    remove_leftovers,
    share_lock,
)
from pipelines.tfrecords.index import load_index
from pipelines.tfrecords.manifest import MANIFEST_NAME, Manifest, check_shards, load_manifest

_FLAG = "--cache_dir"
# What a set that has another origin is, by the entry that differs.
_OF_OTHER_ORIGIN = {
    "data_set": "images of another data set",
    "image_size": "images of --image_size={}",
    "decode_ratio": "images of --decode_ratio={}",
    "tensorflow": "images that TensorFlow {} decoded",
}
# Directory -> a descriptor whose lock tells others that this process reads it, until it ends.
_in_use: dict[str, int] = {}


@dataclasses.dataclass(frozen=True)
class DecodedSet:
    """A finished set of pixels.

    Attributes:
        data_dir: Where it is.
        manifest: What is in it.
        story: In words, whether it was found or made, where, and how large it is.
    """

    data_dir: str
    manifest: Manifest
    story: str


def decoded_set(
    data_dir: str | os.PathLike[str],
    manifest: Manifest,
    image_size: int,
    decode_ratio: int,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    threads: int | None = None,
) -> DecodedSet:
    """The decoded images of a set: those in `cache_dir`, or made there.

    A set of pixels that is there is used if it was made from the same data with the same image size
    and decode ratio, and is whole; else its successor takes its place. One process at a time makes
    one of a data set; others wait, and find it. A data set of pixels is used as it is.

    Args:
        data_dir: The directory of the data set.
        manifest: What is in it.
        image_size: Height and width of the decoded images in pixels.
        decode_ratio: See `pipelines.loading.decode.decode_and_resize`.
        cache_dir: Missing, empty, or what an earlier call has made; `DATA_DIR.cache` unless given.
        threads: Batches that are decoded at the same time; one a core unless given.

    Raises:
        InputError: when `cache_dir` holds anything else, which stays as it is; when another run
            reads the images that would be replaced; when there is not enough room; when the set in
            `data_dir` is damaged.
    """
    if manifest.encoding == "raw":
        return _as_it_is(data_dir, manifest)
    directory = _resolved(_default_cache_dir(data_dir) if cache_dir is None else cache_dir)
    with _one_at_a_time(data_dir):
        if not is_remote(directory):
            remove_leftovers(directory, _FLAG)
        there = _manifest_there(directory)
        fault = _fault(directory, there, origin_of(manifest, image_size, decode_ratio))
        if there is not None and not fault:
            how = f"found in {directory}"
        else:
            _check_place(directory, there, fault)
            _check_room(directory, pixel_set_bytes(manifest, image_size))
            threads = threads or os.cpu_count() or 1
            with atomic_directory(directory, replace=there is not None, flag=_FLAG) as stage:
                there = write_pixel_set(
                    stage, data_dir, manifest, image_size, decode_ratio, threads
                )
            how = f"made in {directory}" + (f" in place of {fault}" if fault else "")
        _use(directory)
    return DecodedSet(os.fspath(directory), there, f"{how}: {_size_of(there)}")


def planned_set(
    data_dir: str | os.PathLike[str],
    manifest: Manifest,
    image_size: int,
    decode_ratio: int,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
) -> DecodedSet:
    """What `decoded_set` would do, with the same arguments, without writing anything.

    Returns:
        The set of pixels if it is there; else the data set itself, with the story of what is to be
        made of it.

    Raises:
        InputError: where `decoded_set` would, as far as can be seen before.
    """
    if manifest.encoding == "raw":
        return _as_it_is(data_dir, manifest)
    directory = _resolved(_default_cache_dir(data_dir) if cache_dir is None else cache_dir)
    there = _manifest_there(directory)
    fault = _fault(directory, there, origin_of(manifest, image_size, decode_ratio))
    if there is not None and not fault:
        return DecodedSet(os.fspath(directory), there, f"found in {directory}: {_size_of(there)}")
    needed = pixel_set_bytes(manifest, image_size)
    _check_place(directory, there, fault)
    _check_room(directory, needed)
    instead = f" in place of {fault}" if fault else ""
    story = f"to be made in {directory}{instead}: {megabytes(needed)}"
    return DecodedSet(os.fspath(data_dir), manifest, story)


def _as_it_is(data_dir: str | os.PathLike[str], manifest: Manifest) -> DecodedSet:
    story = f"{os.fspath(data_dir)} holds pixels already, which are read as they are"
    return DecodedSet(os.fspath(data_dir), manifest, story)


def _default_cache_dir(data_dir: str | os.PathLike[str]) -> str:
    if is_remote(data_dir):
        raise InputError(
            f"received --cache=disk for {os.fspath(data_dir)!r}, which is not on this machine, "
            f"expected {_FLAG} as well; pass a directory on a disk of this machine."
        )
    return os.path.abspath(os.path.expanduser(data_dir)) + ".cache"


def _resolved(cache_dir: str | os.PathLike[str]) -> epath.Path:
    path = epath.Path(cache_dir).expanduser()
    # Through links: nothing can be renamed onto one. (epath's own `resolve` leaves them.)
    return path if is_remote(path) else epath.Path(os.path.realpath(path))


@contextlib.contextmanager
def _one_at_a_time(data_dir: str | os.PathLike[str]) -> Iterator[None]:
    """Waits for other processes that are in this block for the same data set."""
    if is_remote(data_dir):
        yield
        return
    data_dir = os.path.expanduser(data_dir)
    if is_locked(data_dir):
        line = f"Waiting for another process, which decodes {os.fspath(data_dir)!r} to the disk."
        console.note(line)
    with locked(data_dir, wait=True):
        yield


def _manifest_there(directory: epath.Path) -> Manifest | None:
    """What the set of pixels in `directory` has, or had; None where there is nothing at all.

    Raises:
        InputError: when there is something else.
    """
    if is_free(directory):
        return None
    try:
        manifest = load_manifest(directory)
        if ORIGIN in manifest.source:
            return manifest
        what = "a set that --cache=disk did not make"
    except InputError:
        what = f"something, but no {MANIFEST_NAME} that can be read"
    raise InputError(
        f"received {_FLAG}={directory}, which holds {what}, expected decoded images that a run "
        f"with --cache=disk has left, or nothing; choose another {_FLAG}, or remove it yourself."
    )


def _fault(directory: epath.Path, there: Manifest | None, origin: dict[str, Any]) -> str:
    """What is there instead of a whole set of this origin; '' for that set, and for nothing."""
    if there is None:
        return ""
    for name, expected in origin.items():
        received = there.source[ORIGIN].get(name)
        if received != expected:
            return _OF_OTHER_ORIGIN[name].format(received)
    try:
        check_shards(directory, there)
        for split in there.splits:
            load_index(directory, there, split)
    except InputError:
        return "damaged ones"
    return ""


def _check_place(directory: epath.Path, there: Manifest | None, fault: str) -> None:
    """Checks that a set can take the place of what is there, and may."""
    if not is_remote(directory):
        check_movable(directory)
        _let_go(directory)
    if there is None:
        return
    others = sorted({path.name for path in directory.iterdir()} - there.file_names)
    if others:
        problem, advice = f" and also {others[0]!r}", "move that away"
    elif is_remote(directory):
        problem, advice = " and is not on this machine", "remove it yourself"
    elif is_locked(directory):
        problem, advice = ", which another run reads", "wait until that has ended"
    else:
        return
    raise InputError(
        f"received {_FLAG}={directory}, which holds {fault}{problem}, expected one in which images "
        f"can be replaced; {advice}, or choose another {_FLAG}."
    )


def _check_room(directory: epath.Path, needed: int) -> None:
    if is_remote(directory):
        return
    free = shutil.disk_usage(nearest_existing(directory)).free
    if free < needed:
        raise InputError(
            f"received {_FLAG}={directory} on a disk with {megabytes(free)} free, expected "
            f"{megabytes(needed)} for decoded images; free some, choose another {_FLAG}, or use "
            "--cache=none."
        )


def _use(directory: epath.Path) -> None:
    """Tells other processes that this one reads what is in `directory`."""
    _let_go(directory)
    if not is_remote(directory):
        _in_use[os.fspath(directory)] = share_lock(directory)


def _let_go(directory: epath.Path) -> None:
    descriptor = _in_use.pop(os.fspath(directory), None)
    if descriptor is not None:
        os.close(descriptor)


def _size_of(manifest: Manifest) -> str:
    height, width, _ = manifest.image_shape
    count = sum(split.num_examples for split in manifest.splits.values())
    num_bytes = sum(shard.num_bytes for shard in manifest.shards)
    return f"{count:,} images of {width}x{height} pixels, {megabytes(num_bytes)}"
