"""Files on other machines: listed where they are, and fetched once into a cache on this one.

What fsspec reads is read through it, and what only TensorFlow's own file systems read, through
those. Caltech-101 as published is fetched with its checksum. Whatever cannot be reached, listed or
fetched is an `InputError`.
"""

import contextlib
import functools
import hashlib
import os
import posixpath
import re
import shutil
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import fsspec
from fsspec.callbacks import TqdmCallback
from fsspec.spec import AbstractFileSystem

from pipelines.runtime import console
from pipelines.runtime.errors import InputError
from pipelines.runtime.tensorflow_runtime import import_tensorflow
from pipelines.sources.base import Member
from pipelines.sources.folders_and_archives import read_file

_REACH_SECONDS = 20
_STALL_SECONDS = 60
# The fields by which file systems tell versions of a file apart.
_VERSION_KEYS = (
    "ETag", "etag", "generation", "md5Hash", "Content-MD5", "Digest", "Last-Modified",
    "LastModified", "last_modified", "mtime", "modified", "created", "size",
)  # fmt: skip


def is_web(name: str) -> bool:
    """Whether `name` is an address of the web, in which some characters stand as escapes."""
    return _protocol(name) in ("http", "https")


def base_name(url: str) -> str:
    """The last part of an address, as a file of that name would be called."""
    plain = url.partition("?")[0] if is_web(url) else url
    return _unquoted(url, posixpath.basename(plain.rstrip("/")))


def is_remote_folder(url: str) -> bool:
    """Whether there is a folder at `url`. On the web, its address ends with a slash."""
    with _as_input_errors(url):
        file_system, path = _connect(url)
        info = file_system.info(path)
        # A web server redirects requests for a folder to the address with the slash.
        return info["type"] == "directory" or str(info.get("url", url)).endswith("/")


def walk_remote(url: str, cache: Path) -> Iterator[Member]:
    """All files and folders under `url`, in sorted order; their bytes are fetched when read."""
    with _as_input_errors(url):
        file_system, root = _connect(url)
        file_system.invalidate_cache()  # of an earlier pass, which may have been long ago
        for path, name, is_folder in _walk(file_system, root, ""):
            read = functools.partial(read_remote, url, cache, path)
            yield Member(_unquoted(url, name), read, is_folder, is_remote=True)


def _walk(file_system: Any, folder: str, prefix: str) -> Iterator[tuple[str, str, bool]]:
    """The path, the name inside the source, and whether it is a folder, of all that is there."""
    # Not fsspec's own walk, which leaves out without a word what it cannot list.
    folder_names = []
    for info in sorted(file_system.ls(folder, detail=True), key=lambda info: str(info["name"])):
        path = info["name"].rstrip("/")
        if path == folder.rstrip("/"):
            continue  # buckets may hold a file that stands for the folder
        name = posixpath.basename(path)
        is_folder = info["type"] == "directory"
        yield path, prefix + name, is_folder
        folder_names += [name] if is_folder else []
    for name in folder_names:
        yield from _walk(file_system, posixpath.join(folder, name), f"{prefix}{name}/")


def read_remote(url: str, cache: Path, path: str = "") -> bytes:
    """The bytes of the file at `url`, or at `path` on the same file system."""
    return read_file(fetch(url, cache, path))


def fetch(url: str, cache: Path, path: str = "", with_bar: bool = False) -> Path:
    """The copy in `cache` of the file at `url`, fetched unless the same version lies there.

    The copy has its name only once it is whole, also when several threads or processes fetch it.

    Args:
        url: The file, or the folder that it was found in.
        cache: Folder on this machine; made where it is missing.
        path: The file in the words of the file system, where `url` is not the file's own.
        with_bar: Whether a terminal shows how far it is.
    """
    with _as_input_errors(path or url):
        file_system, own_path = _connect(url)
        info = file_system.info(path or own_path)
        version = {key: str(info[key]) for key in _VERSION_KEYS if info.get(key) is not None}
        place = cache.expanduser() / _digest(url, path)[:2] / _digest(url, path)[2:]
        name = re.sub(r"[^\w.-]", "_", base_name(path or url), flags=re.ASCII)[-80:]
        copy = place / f"{_digest(*map('='.join, version.items()))[:16]}-{name}"
        # Where the size is all that is told, a change may go unseen.
        if not version.keys() - {"size"} or not copy.exists():
            _copy(file_system, path or own_path, copy, info.get("size"), with_bar)
        return copy


def _copy(file_system: Any, path: str, copy: Path, size: int | None, with_bar: bool) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    part = copy.with_name(f"{copy.name}.{os.getpid()}.{threading.get_ident()}.part")
    bar = {"desc": f"Fetching {base_name(path)}", "unit": "B", "unit_scale": True, "leave": False}
    bar["disable"] = not (with_bar and console.shows_bars())
    try:
        with TqdmCallback(tqdm_kwargs=bar) as callback:
            file_system.get_file(path, str(part), callback=callback)
        if size is not None and part.stat().st_size != size:
            raise OSError(f"{part.stat().st_size} of {size} bytes came")
        os.replace(part, copy)
    finally:
        part.unlink(missing_ok=True)
    for other in copy.parent.iterdir():
        if other != copy and other.suffix != ".part":
            other.unlink(missing_ok=True)


def _connect(url: str) -> tuple[Any, str]:
    """The file system that `url` is on, and its path there."""
    try:
        return fsspec.core.url_to_fs(url, **_options(url))
    except (ImportError, ValueError) as error:
        import_tensorflow()
        import tensorflow as tf

        if _protocol(url) in tf.io.gfile.get_registered_schemes():
            return GfileSystem(), url
        raise InputError(
            f"received {url!r}, which this machine has no means to read ({_first_line(error)}), "
            "expected an address that fsspec or TensorFlow reads; install the package for it "
            "(`pip install -c constraints.txt -e '.[remote]'` for https://, gs:// and s3://), or "
            "fetch the files and pass their folder."
        ) from error


def _options(url: str) -> dict[str, Any]:
    if not is_web(url):
        return {}
    import aiohttp  # an extra; fsspec says so when it is missing

    # By default it takes no notice of proxies, and gives up after five minutes whatever comes.
    timeout = aiohttp.ClientTimeout(sock_connect=_REACH_SECONDS, sock_read=_STALL_SECONDS)
    return {"client_kwargs": {"timeout": timeout, "trust_env": True}}


def _protocol(url: str) -> str:
    return url.partition("://")[0].lower()


def _unquoted(url: str, name: str) -> str:
    """`name` without the web's escapes, such as %20."""
    if not is_web(url):
        return name
    return urllib.parse.unquote(name, errors="surrogateescape")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:34]


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:300]


@contextlib.contextmanager
def _as_input_errors(url: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # the drivers raise whatever the libraries under them do
        cause = error.__cause__ or error  # fsspec puts its own error over the one that tells
        raise InputError(
            f"received {url!r}, which cannot be fetched ({type(cause).__name__}: "
            f"{_first_line(cause)}), expected an address that can be reached and read; see to the "
            "address, the network and your credentials."
        ) from error


class GfileSystem(AbstractFileSystem):
    """Lists and reads through `tf.io.gfile`; a path is a whole address."""

    protocol = "gfile"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.rstrip("/")

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        import tensorflow as tf

        try:
            status = tf.io.gfile.stat(path)
        except tf.errors.NotFoundError:
            raise FileNotFoundError(path) from None
        kind = "directory" if tf.io.gfile.isdir(path) else "file"
        return {"name": path, "type": kind, "size": status.length, "mtime": status.mtime_nsec}

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        import tensorflow as tf

        try:
            names = tf.io.gfile.listdir(path)
        except tf.errors.NotFoundError:
            raise FileNotFoundError(path) from None
        # Buckets give folders with a slash behind them.
        paths = [f"{path.rstrip('/')}/{name.rstrip('/')}" for name in sorted(names)]
        return [self.info(path) for path in paths] if detail else paths

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        import tensorflow as tf

        return tf.io.gfile.GFile(path, mode)


class RemoteArchive(NamedTuple):
    """A file on the web that is known to the byte."""

    url: str
    num_bytes: int
    sha256: str


# Li, Andreeto, Ranzato and Perona, CaltechDATA, DOI 10.22002/D1.20086, CC BY 4.0.
CALTECH101 = RemoteArchive(
    url="https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
    num_bytes=137_414_764,
    sha256="331234750fc7f77520e50d9565e8b6907b03565e30320da1401130db08c61f91",
)


def download(archive: RemoteArchive, download_dir: str) -> Path:
    """The path of `archive` on this machine, fetched and checked unless that is done already.

    Args:
        download_dir: Where TensorFlow Datasets keeps downloads; made where it is missing.
    """
    # Here, because a source on disk has no need of it.
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

    directory = Path(download_dir).expanduser()
    url, num_bytes, sha256 = archive
    file_name = base_name(url)
    known = tfds.download.checksums.UrlInfo(size=num_bytes, checksum=sha256, filename=file_name)
    kept_as = tfds.download.resource.get_dl_fname(url, sha256)
    try:
        with downloading(directory, None if (directory / kept_as).exists() else url):
            manager = tfds.download.DownloadManager(
                download_dir=directory, url_infos={url: known}, force_checksums_validation=True
            )
            return Path(manager.download(url))
    # requests' errors are OSErrors; TFDS' own derive from Exception alone.
    except (OSError, tfds.download.DownloadError, NonMatchingChecksumError) as error:
        problem = "wrong checksum" if isinstance(error, NonMatchingChecksumError) else str(error)
        raise InputError(
            f"received no usable download of {url} ({problem}), expected {num_bytes} bytes with "
            f"SHA-256 {sha256}; fetch it by hand (a browser, or `curl -LO {url}`) and pass "
            f"--source=PATH/TO/{file_name}."
        ) from error


@contextlib.contextmanager
def downloading(directory: Path, origin: str | None) -> Iterator[None]:
    """Around a download by TensorFlow Datasets: no bars where none are shown, and no remains.

    What is left half-way in `directory` is removed.

    Raises:
        OSError: at once when nobody answers at `origin`, which TFDS would try for eight minutes.
    """
    import tensorflow_datasets as tfds

    if not console.shows_bars():
        tfds.disable_progress_bar()
    if origin is not None:
        # Any answer will do; whether the server gives the file, the download will tell.
        with contextlib.suppress(urllib.error.HTTPError):
            request = urllib.request.Request(origin, method="HEAD")
            urllib.request.urlopen(request, timeout=_REACH_SECONDS).close()
    earlier = set(directory.glob("*.tmp.*"))
    try:
        yield
    finally:
        for leftover in set(directory.glob("*.tmp.*")) - earlier:
            shutil.rmtree(leftover, ignore_errors=True)
