import functools
import hashlib
import http.server
import io
import os
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.runtime.errors import InputError
from pipelines.sources import STUDY_CLASSES, open_source
from pipelines.sources.remote import RemoteArchive, download


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address under which this machine serves it."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def remote(served: tuple[Path, str], make_jpeg: Callable[..., bytes]) -> RemoteArchive:
    """A small archive, nested as the published one is."""
    folder, address = served
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as archive:
        for class_name in (*STUDY_CLASSES, "Faces_easy"):
            info = tarfile.TarInfo(f"101_ObjectCategories/{class_name}/image_0001.jpg")
            data = make_jpeg(1)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    path = folder / "caltech-101.zip"
    with zipfile.ZipFile(path, "w") as outer:
        outer.writestr("caltech-101/101_ObjectCategories.tar.gz", inner.getvalue())
    data = path.read_bytes()
    return RemoteArchive(f"{address}/caltech-101.zip", len(data), hashlib.sha256(data).hexdigest())


def test_caltech101_is_fetched_once_and_read_as_published(
    remote: RemoteArchive,
    served: tuple[Path, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("pipelines.sources.remote.CALTECH101", remote)
    download_dir = str(tmp_path / "downloads")
    source = open_source("caltech101", download_dir=download_dir)
    assert source.class_counts == dict.fromkeys(STUDY_CLASSES, 1)
    assert (source.kind, source.name, source.dataset_name) == (
        "caltech101", "caltech101", "caltech4",
    )  # fmt: skip
    (served[0] / "caltech-101.zip").unlink()
    assert len(list(open_source("caltech101", download_dir=download_dir).images())) == 4


def test_another_file_than_the_published_is_refused_and_not_kept(
    remote: RemoteArchive, served: tuple[Path, str], tmp_path: Path, note_fault: Callable
):
    happened = note_fault("bad input", "download: another file than the published one")
    path = served[0] / "caltech-101.zip"
    right = path.read_bytes()
    path.write_bytes(b"a log-in page")
    with pytest.raises(InputError) as caught:
        download(remote, str(tmp_path / "downloads"))
    happened(caught.value)
    message = str(caught.value)
    assert "wrong checksum" in message and remote.sha256 in message
    assert f"curl -LO {remote.url}" in message and "--source=PATH/TO/caltech-101.zip" in message
    assert os.listdir(tmp_path / "downloads") == ["extracted"]
    path.write_bytes(right)
    assert download(remote, str(tmp_path / "downloads")).read_bytes() == right


def test_a_file_that_is_not_there(served: tuple[Path, str], tmp_path: Path, note_fault: Callable):
    happened = note_fault("bad input", "download: a file that is not there")
    missing = RemoteArchive(f"{served[1]}/missing.zip", 1, "00")
    with pytest.raises(InputError) as caught:
        download(missing, str(tmp_path / "downloads"))
    happened(caught.value)
    assert "404" in str(caught.value) and "curl -LO" in str(caught.value)


def test_no_network_is_told_at_once(tmp_path: Path, note_fault: Callable):
    happened = note_fault("bad input", "download: no network")
    # Port 9 of this machine: nobody listens.
    nobody = RemoteArchive("http://127.0.0.1:9/caltech-101.zip", 1, "00")
    with pytest.raises(InputError) as caught:
        download(nobody, str(tmp_path / "downloads"))
    happened(caught.value)
    assert "refused" in str(caught.value) and "fetch it by hand" in str(caught.value)
