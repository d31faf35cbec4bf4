import functools
import http.server
import io
import os
import pickle
import threading
import urllib.parse
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest

from pipelines.runtime.errors import InputError
from pipelines.sources import Source, open_source
from pipelines.sources.remote import fetch


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


class _CutHandler(_Handler):
    """Breaks off in the middle of what it sends."""

    def copyfile(self, source: io.BufferedReader, outputfile: io.BufferedIOBase) -> None:
        outputfile.write(source.read(100))
        self.close_connection = True


def _served(folder: Path, handler: type[_Handler]) -> Iterator[str]:
    serving = functools.partial(handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), serving)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The address under which this machine serves the test's folder."""
    yield from _served(tmp_path, _Handler)


@pytest.fixture
def cut_web(tmp_path: Path) -> Iterator[str]:
    """The same, but it breaks off."""
    yield from _served(tmp_path, _CutHandler)


@pytest.fixture
def bucket(image_folder: Path) -> Iterator[fsspec.AbstractFileSystem]:
    """A file system in memory, with the images in the folder memory://bucket/shapes."""
    file_system = fsspec.filesystem("memory")
    for path in image_folder.rglob("*.jpg"):
        file_system.pipe(f"/bucket/shapes/{path.relative_to(image_folder)}", path.read_bytes())
    yield file_system
    file_system.rm("/bucket", recursive=True)


@pytest.fixture
def download_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("downloads"))


def _contents(source: Source) -> dict[str, bytes]:
    images = pickle.loads(pickle.dumps(list(source.images())))
    with ThreadPoolExecutor(4) as pool:
        return dict(pool.map(lambda image: (image.file_name, image.read()), images))


def _of_folder(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.jpg")}


def _zip(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in _of_folder(folder).items():
            archive.writestr(f"shapes/{name}", data)
    return path


def _files(folder: str) -> set[str]:
    return {path.name for path in Path(folder).rglob("*") if path.is_file()}


def test_a_folder_in_a_bucket(bucket, image_folder: Path, download_dir: str):
    bucket.pipe("/bucket/shapes/lines/.DS_Store", b"")
    bucket.pipe("/bucket/shapes/tmp/1.jpg", b"")
    source = open_source("memory://bucket/shapes", download_dir=download_dir)
    assert (source.kind, source.name) == ("folder", "shapes")
    assert source.class_counts == {"circles": 8, "lines": 8, "squares": 8}
    assert source.ignored_files == {"file of macOS (.DS_Store)": 1, "temporary file (tmp)": 1}
    assert _files(download_dir) == set()  # listed, not read
    assert _contents(source) == _of_folder(image_folder)
    names = [image.file_name for image in source.images()]
    assert names == sorted(names)


def test_splits_and_unusual_names_in_a_bucket(bucket, make_jpeg, download_dir: str):
    names = [
        f"{split}/{class_name}/{name}.jpg"
        for split in ("train", "test")
        for class_name in ("big cats", "dogs")
        for name in ("a::b", "c#d", "e%20f", "line\nbreak", "\u00e9", "e\u0301", "f?g", "a" * 240)
    ]
    for name in names:
        bucket.pipe(f"/bucket/pets/{name}", name.encode())
    source = open_source("memory://bucket/pets/", download_dir=download_dir)
    assert source.split_counts == {
        "train": {"big cats": 8, "dogs": 8}, "test": {"big cats": 8, "dogs": 8},
    }  # fmt: skip
    assert _contents(source) == {name: name.encode() for name in names}


def test_what_has_changed_is_fetched_again(bucket, image_folder: Path, download_dir: str):
    url = "memory://bucket/shapes"
    _contents(open_source(url, download_dir=download_dir))
    before = {path: path.stat().st_mtime_ns for path in Path(download_dir).rglob("*.jpg")}
    new = bucket.cat("/bucket/shapes/lines/image_0003.jpg")[::-1]  # of the same size
    bucket.pipe("/bucket/shapes/lines/image_0003.jpg", new)
    contents = _contents(open_source(url, download_dir=download_dir))
    assert contents == {**_of_folder(image_folder), "lines/image_0003.jpg": new}
    after = {path: path.stat().st_mtime_ns for path in Path(download_dir).rglob("*.jpg")}
    assert len(before) == len(after) == 24
    assert len(before.items() & after.items()) == 23


def test_what_has_no_version_is_fetched_again(
    bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bucket, "info", lambda path: {"name": path, "type": "file", "size": 3})
    url = "memory://bucket/shapes/lines/image_0003.jpg"
    for data in (b"old", b"new"):
        bucket.pipe(url, data)
        assert fetch(url, tmp_path / "cache").read_bytes() == data


@pytest.mark.parametrize("name", ["shapes.zip", "Shapes.ZIP", "download"])
def test_an_archive_on_the_web(
    name: str, web: str, image_folder: Path, tmp_path: Path, download_dir: str, refusal: Callable
):
    path = _zip(image_folder, tmp_path / name)
    source = open_source(f"{web}/{name}?version=1", download_dir=download_dir)
    assert (source.kind, source.name) == ("archive", name.partition(".")[0])
    assert _contents(source) == _of_folder(image_folder)
    assert len(_files(download_dir)) == 1
    path.write_bytes(b"PK, but not any longer")
    os.utime(path, (0, 0))
    assert "cannot be read to its end" in refusal(
        f"{web}/{name}?version=1", download_dir=download_dir, fault="remote: a damaged archive"
    )
    assert len(_files(download_dir)) == 1


def test_a_folder_on_the_web(web: str, image_folder: Path, download_dir: str):
    (image_folder / "lines").rename(image_folder / "long lines")
    (image_folder / "long lines" / "50%20\u00e9 #1?.jpg").write_bytes(b"unusual")
    for address in (f"{web}/shapes/", f"{web}/shapes"):
        source = open_source(address, download_dir=download_dir)
        assert (source.kind, source.name) == ("folder", "shapes")
        assert source.class_counts == {"circles": 8, "long lines": 9, "squares": 8}
        assert _contents(source) == _of_folder(image_folder)


@pytest.mark.parametrize("address", ["web/list.csv", "web/list.csv?token=1", "memory/list.csv"])
def test_a_remote_list(address: str, web: str, bucket, image_folder: Path, download_dir: str):
    more = image_folder / "lines" / "with %20 #1.jpg"
    more.write_bytes(b"more")
    bucket.pipe("/bucket/shapes/lines/with %20 #1.jpg", b"more")
    expected = _of_folder(image_folder)
    text = "path,label\n" + "".join(f"{name},{name.split('/')[0]}\n" for name in expected)
    (image_folder / "list.csv").write_text(text)
    bucket.pipe("/bucket/shapes/list.csv", text.encode())
    scheme, _, name = address.partition("/")
    folder = f"{web}/shapes" if scheme == "web" else "memory://bucket/shapes"
    source = open_source(f"{folder}/{name}", download_dir=download_dir)
    assert (source.kind, source.name) == ("list", "list")
    assert _contents(source) == expected


def test_a_remote_list_reads_nothing_of_this_machine(
    bucket, tmp_path: Path, download_dir: str, refusal: Callable
):
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"secret")
    bucket.pipe("/bucket/list.csv", f"path,label\n{secret},a\n".encode())
    message = refusal(
        "memory://bucket/list.csv",
        download_dir=download_dir,
        fault="remote: a list that names a local file",
    )
    assert "absolute path" in message and "received line 2 of" in message


def test_addresses_in_a_list(web: str, bucket, image_folder: Path, download_dir: str):
    rows = [
        f"{web}/shapes/lines/image_0000.jpg,lines",
        "memory://bucket/shapes/circles/image_0000.jpg,circles",
        "circles/image_0001.jpg,circles",
    ]
    path = image_folder / "list.csv"
    path.write_text("\n".join(["path,label", *rows]))
    source = open_source(str(path), download_dir=download_dir)
    contents = _contents(source)
    assert list(contents) == [row.partition(",")[0] for row in rows]
    assert list(contents.values()) == [
        (image_folder / name).read_bytes()
        for name in ("lines/image_0000.jpg", "circles/image_0000.jpg", "circles/image_0001.jpg")
    ]


def test_what_only_tensorflow_reads(image_folder: Path, download_dir: str, refusal: Callable):
    import tensorflow as tf

    for name, data in _of_folder(image_folder).items():
        tf.io.gfile.makedirs(f"ram://bucket/shapes/{os.path.dirname(name)}")
        with tf.io.gfile.GFile(f"ram://bucket/shapes/{name}", "wb") as stream:
            stream.write(data)
    source = open_source("ram://bucket/shapes", download_dir=download_dir)
    assert (source.kind, source.name) == ("folder", "shapes")
    assert _contents(source) == _of_folder(image_folder)
    assert "ram://bucket/nowhere" in refusal(
        "ram://bucket/nowhere", download_dir=download_dir, fault="remote: nothing there"
    )


def test_a_file_address_is_a_path(image_folder: Path, download_dir: str):
    source = open_source(f"file://{image_folder}", download_dir=download_dir)
    assert _contents(source) == _of_folder(image_folder)
    assert _files(download_dir) == set()


def test_a_download_that_breaks_off(
    cut_web: str, image_folder: Path, tmp_path: Path, download_dir: str, refusal: Callable
):
    _zip(image_folder, tmp_path / "shapes.zip")
    message = refusal(
        f"{cut_web}/shapes.zip", download_dir=download_dir, fault="remote: it breaks off"
    )
    assert "cannot be fetched" in message and "shapes.zip" in message
    assert _files(download_dir) == set()


@pytest.mark.parametrize("error", [KeyboardInterrupt, None])
def test_half_a_file_is_never_taken_for_a_whole_one(
    error: type[BaseException] | None,
    bucket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    note_fault: Callable,
):
    happened = note_fault("bad input", f"remote: half a file{' and then Ctrl-C' if error else ''}")

    def get_half(path: str, part: str, **options: object) -> None:
        assert Path(part).parent.parent.parent == tmp_path / "cache"
        Path(part).write_bytes(b"half")
        if error:
            raise error

    url = "memory://bucket/shapes/lines/image_0000.jpg"
    with monkeypatch.context() as patched:
        patched.setattr(bucket, "get_file", get_half)
        with pytest.raises(error or InputError):
            fetch(url, tmp_path / "cache")
    left = _files(str(tmp_path / "cache"))
    again, whole = fetch(url, tmp_path / "cache").read_bytes(), bucket.cat(url)
    happened(f"{len(left)} files left; again it has {len(again)} of {len(whole)} bytes")
    assert left == set()
    assert again == whole


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://bucket/nowhere", "/bucket/nowhere"),
        ("http://127.0.0.1:9/set.zip", "Cannot connect to host 127.0.0.1:9"),
        ("http://127.0.0.1:9/folder/", "Cannot connect to host 127.0.0.1:9"),
        ("https://nowhere.invalid/list.csv", "nowhere.invalid"),
        ("nosuch://bucket/folder", "Protocol not known: nosuch"),
        ("dropbox://folder", "install the package for it"),
    ],
)
def test_what_cannot_be_reached(url: str, message: str, download_dir: str, refusal: Callable):
    error = refusal(url, download_dir=download_dir, fault=f"remote: {url}")
    assert repr(url) in error and message in error


def test_a_folder_inside_that_cannot_be_listed(
    bucket, download_dir: str, monkeypatch: pytest.MonkeyPatch, refusal: Callable
):
    list_folder = bucket.ls

    def list_some(path: str, **options: object) -> object:
        if path.endswith("lines"):
            raise PermissionError("403 Forbidden")
        return list_folder(path, **options)

    monkeypatch.setattr(bucket, "ls", list_some)
    assert "403 Forbidden" in refusal(
        "memory://bucket/shapes", download_dir=download_dir, fault="remote: a forbidden folder"
    )


def test_the_empty_files_that_stand_for_folders_in_a_bucket(
    bucket, download_dir: str, monkeypatch: pytest.MonkeyPatch
):
    list_folder = bucket.ls

    def list_with_marker(path: str, **options: object) -> list:
        marker = {"name": f"{path}/", "type": "file", "size": 0}
        return [marker, *list_folder(path, **options)]

    monkeypatch.setattr(bucket, "ls", list_with_marker)
    source = open_source("memory://bucket/shapes", download_dir=download_dir)
    assert (source.num_images, source.ignored_files) == (24, {})


def test_a_web_page_that_is_not_there(web: str, download_dir: str, refusal: Callable):
    address = f"{web}/{urllib.parse.quote('no such.zip')}"
    assert address in refusal(address, download_dir=download_dir, fault="remote: no such page")


def test_an_image_that_is_gone_when_it_is_read(bucket, download_dir: str, note_fault: Callable):
    happened = note_fault("bad input", "remote: an image that is gone when it is read")
    images = list(open_source("memory://bucket/shapes", download_dir=download_dir).images())
    bucket.rm("/bucket/shapes/lines/image_0000.jpg")
    gone = next(image for image in images if image.file_name == "lines/image_0000.jpg")
    with pytest.raises(InputError) as caught:
        gone.read()
    happened(caught.value)
    assert "/bucket/shapes/lines/image_0000.jpg" in str(caught.value)
