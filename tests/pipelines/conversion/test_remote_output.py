"""Object stores, played by fsspec's file system in memory under the name gs://."""

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from etils import epath
from fsspec.implementations.memory import MemoryFileSystem

from pipelines.conversion.convert import convert, find_identical
from pipelines.loading import cache
from pipelines.runtime.errors import InputError
from pipelines.sources import open_source
from pipelines.tfrecords.index import INDEX_NAME, load_index
from pipelines.tfrecords.manifest import MANIFEST_NAME, Settings, ShardedDataset
from pipelines.tfrecords.verification import verify


class _Store(MemoryFileSystem):
    protocol = ("gs", "gcs")
    store: dict[str, object] = {}
    pseudo_dirs = [""]

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return MemoryFileSystem._strip_protocol(str(path).split("://")[-1])


@pytest.fixture
def output_dir(monkeypatch: pytest.MonkeyPatch) -> Iterator[epath.Path]:
    # The module, which the package hides behind a read-only view of what is registered.
    registered = sys.modules["fsspec.registry"]._registry
    for name in _Store.protocol:
        monkeypatch.setitem(registered, name, _Store)
    yield epath.Path("gs://bucket/set")
    _Store.store.clear()


def test_the_set_is_the_local_one_and_is_recognised(
    image_folder: Path, tmp_path: Path, output_dir: epath.Path
):
    source, settings = open_source(str(image_folder)), Settings(shards=2)
    manifest = convert(source, settings, output_dir)
    convert(source, settings, tmp_path / "set")
    remote = {path.name: path.read_bytes() for path in output_dir.iterdir()}
    assert remote == {path.name: path.read_bytes() for path in (tmp_path / "set").iterdir()}
    assert verify(output_dir, progress=False).problems == ()
    assert find_identical(output_dir, source, dataclasses.asdict(settings)) == manifest


def test_damage_is_found_there(image_folder: Path, output_dir: epath.Path):
    manifest = convert(open_source(str(image_folder)), Settings(shards=2), output_dir)
    name = manifest.splits["test"].shards[0].name
    data = bytearray((output_dir / name).read_bytes())
    data[100] ^= 1
    (output_dir / name).write_bytes(bytes(data))
    (problem,) = verify(output_dir, progress=False).problems
    assert (problem.file, problem.record) == (name, 0)


def test_the_index_is_read_there(image_folder: Path, output_dir: epath.Path):
    manifest = convert(open_source(str(image_folder)), Settings(shards=2), output_dir)
    assert len(load_index(ShardedDataset(output_dir, manifest), "train").offsets) == 18
    (output_dir / INDEX_NAME).unlink()
    with pytest.raises(InputError, match="'gs://bucket/set/index.npz', which is missing"):
        load_index(ShardedDataset(output_dir, manifest), "train")


def test_the_manifest_comes_last(
    image_folder: Path, output_dir: epath.Path, monkeypatch: pytest.MonkeyPatch
):
    written = []
    open_file = _Store._open

    def noted(self: _Store, path: str, mode: str = "rb", **options: object) -> object:
        written.append((path.rsplit("/", 1)[-1], mode))
        return open_file(self, path, mode=mode, **options)

    monkeypatch.setattr(_Store, "_open", noted)
    convert(open_source(str(image_folder)), Settings(shards=2), output_dir)
    assert [name for name, mode in written if mode == "wb"][-1] == MANIFEST_NAME


def test_what_fails_leaves_nothing(image_folder: Path, output_dir: epath.Path):
    (image_folder / "lines" / "image_0003.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="bad image"):
        convert(open_source(str(image_folder)), Settings(shards=2), output_dir)
    assert not any(_Store.store)


def test_nothing_there_is_replaced(image_folder: Path, output_dir: epath.Path):
    source = open_source(str(image_folder))
    convert(source, Settings(shards=2), output_dir)
    with pytest.raises(InputError, match="is not empty"):
        convert(source, Settings(shards=3), output_dir)
    with pytest.raises(InputError, match="expected a local directory"):
        convert(source, Settings(shards=3), output_dir, overwrite=True)
    assert verify(output_dir, progress=False).problems == ()


def test_decoded_images_are_kept_there(image_folder: Path, tmp_path: Path, output_dir: epath.Path):
    manifest = convert(open_source(str(image_folder)), Settings(shards=2), tmp_path / "set")

    def decode_to(image_size: int) -> cache.DecodedSet:
        return cache.decoded_set(
            ShardedDataset(tmp_path / "set", manifest), image_size, 1, cache_dir=output_dir
        )

    made, found = decode_to(12), decode_to(12)
    assert made.story.startswith("made in gs://bucket/set: 24 images")
    assert found.story.startswith("found in gs://bucket/set: 24 images")
    assert str(found.dataset.directory) == "gs://bucket/set"
    assert found.dataset == made.dataset
    with pytest.raises(
        InputError, match="which holds images of --image_size=12 and is not on this"
    ):
        decode_to(13)
    assert verify(output_dir, progress=False).problems == ()
