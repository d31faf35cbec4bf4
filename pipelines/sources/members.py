"""One file or folder of a source, and what its name alone tells."""

import dataclasses
from collections.abc import Callable, Iterator

# More than any photograph; keeps a member that inflates without end from filling the memory. One
# byte beyond it is handed on, so that whoever vets the file sees that it was too large.
MAX_FILE_BYTES = 1 << 28

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
_CLUTTER = {
    ".ds_store": "file of macOS (.DS_Store)",
    "__macosx": "file of macOS (__MACOSX)",
    "thumbs.db": "file of Windows (Thumbs.db)",
    "desktop.ini": "file of Windows (desktop.ini)",
    "tmp": "temporary file (tmp)",
}


@dataclasses.dataclass(frozen=True)
class Member:
    """One file or folder.

    Attributes:
        name: Path inside the source, relative, with forward slashes. Bytes that are no UTF-8 stand
            in it as Python's file system functions give them (surrogateescape).
        read: Gives the file's bytes; to be called before the next member is asked for.
        is_folder: Whether it is a folder, which has no bytes.
        unusable: Why its bytes cannot be had; '' when they can.
        is_remote: Whether `read` waits for another machine.
    """

    name: str
    read: Callable[[], bytes] = bytes
    is_folder: bool = False
    unusable: str = ""
    is_remote: bool = False


Walk = Callable[[], Iterator[Member]]  # starts a pass over all members, the same at each pass


def clutter(name: str) -> str:
    """Which leftover of an operating system or program a path is; '' for one that is none.

    What lies in a folder of such a name is clutter, too.
    """
    for part in name.split("/"):
        if reason := _CLUTTER.get(part.lower()):
            return reason
        if part.startswith("."):
            return "hidden file"
    return ""


def is_image(name: str) -> bool:
    """Whether a path is named as images are; vetting tells whether it is one."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not clutter(name)
