"""Fetches Caltech-101 as published, once, with its checksum."""

import contextlib
import dataclasses
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from pipelines.runtime import console
from pipelines.runtime.errors import InputError

DEFAULT_DOWNLOAD_DIR = "~/tensorflow_datasets/downloads"
_REACH_SECONDS = 20


@dataclasses.dataclass(frozen=True)
class RemoteArchive:
    """A file on the web that is known to the byte."""

    url: str
    num_bytes: int
    sha256: str

    @property
    def file_name(self) -> str:
        return self.url.rsplit("/", 1)[-1]


# Li, Andreeto, Ranzato and Perona, CaltechDATA, DOI 10.22002/D1.20086, CC BY 4.0.
CALTECH101 = RemoteArchive(
    url="https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
    num_bytes=137_414_764,
    sha256="331234750fc7f77520e50d9565e8b6907b03565e30320da1401130db08c61f91",
)


def download(archive: RemoteArchive, download_dir: str) -> Path:
    """The path of `archive` on this machine, fetched unless an earlier call has done so.

    Args:
        archive: What to fetch.
        download_dir: Where TensorFlow Datasets keeps downloads; made where it is missing.

    Raises:
        InputError: when it cannot be fetched, or is not the file that it should be.
    """
    # Here, because a source on disk has no need of it.
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

    directory = Path(download_dir).expanduser()
    known = tfds.download.checksums.UrlInfo(
        size=archive.num_bytes, checksum=archive.sha256, filename=archive.file_name
    )
    if not console.shows_bars():
        tfds.disable_progress_bar()
    kept_as = tfds.download.resource.get_dl_fname(archive.url, archive.sha256)
    try:
        if not (directory / kept_as).exists():
            reach(archive.url)
        with without_leftovers(directory):
            manager = tfds.download.DownloadManager(
                download_dir=directory,
                url_infos={archive.url: known},
                force_checksums_validation=True,
            )
            return Path(manager.download(archive.url))
    # requests' errors are OSErrors; TFDS' own derive from Exception alone.
    except (OSError, tfds.download.DownloadError, NonMatchingChecksumError) as error:
        problem = "wrong checksum" if isinstance(error, NonMatchingChecksumError) else str(error)
        raise InputError(
            f"received no usable download of {archive.url} ({problem}), expected "
            f"{archive.num_bytes} bytes with SHA-256 {archive.sha256}; fetch it by hand (a "
            f"browser, or `curl -LO {archive.url}`) and pass --source=PATH/TO/{archive.file_name}."
        ) from error


@contextlib.contextmanager
def without_leftovers(directory: Path) -> Iterator[None]:
    """Removes what a download by TensorFlow Datasets left half-way in `directory`."""
    earlier = set(directory.glob("*.tmp.*"))
    try:
        yield
    finally:
        for leftover in set(directory.glob("*.tmp.*")) - earlier:
            shutil.rmtree(leftover, ignore_errors=True)


def reach(url: str) -> None:
    """Fails at once where there is no network: TFDS would try again for eight minutes.

    Raises:
        OSError: when nobody answers at `url`.
    """
    request = urllib.request.Request(url, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=_REACH_SECONDS).close()
    except urllib.error.HTTPError:
        pass  # The server answers; whether it gives the file, the download will tell.
