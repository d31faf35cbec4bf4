"""Which formats there are, without importing what writes them."""

import dataclasses
import importlib.util
from pathlib import PurePath

from pipelines.runtime.errors import InputError


@dataclasses.dataclass(frozen=True)
class Format:
    """A format of `--format`.

    Attributes:
        name: The flag's value.
        suffix: What the output's name ends in; '' for a directory.
        packages: The top-level modules, beyond what the project needs anyway, that write the
            format and run what was written.
    """

    name: str
    suffix: str = ""
    packages: tuple[str, ...] = ()


FORMATS = {
    known.name: known
    for known in (
        Format("saved_model"),
        Format("keras", ".keras"),
        Format("litert", ".tflite", ("ai_edge_litert",)),
        Format("onnx", ".onnx", ("onnx", "onnxruntime", "tf2onnx")),
    )
}


def check_suffix(name: str, output: str) -> None:
    """Checks that a path looks like what is to be written there.

    Args:
        name: One of `FORMATS`.
        output: The value of `--output`.

    Raises:
        InputError: for an ending that belongs to another format, or a missing one.
    """
    received, wanted = PurePath(output).suffix, FORMATS[name].suffix
    if wanted and received != wanted:
        raise InputError(
            f"received --output={output} with --format={name}, expected a file name in {wanted}; "
            "change its ending or the format."
        )
    others = {known.suffix: known.name for known in FORMATS.values() if known.suffix}
    if not wanted and received in others:
        raise InputError(
            f"received --output={output} with --format={name}, expected a directory's name; leave "
            f"out {received}, or pass --format={others[received]}."
        )


def missing_packages(name: str) -> list[str]:
    """The modules of a format that are not installed; none of them is imported."""
    return [
        package for package in FORMATS[name].packages if importlib.util.find_spec(package) is None
    ]


def check_packages(name: str) -> None:
    """Checks that all that a format needs is installed.

    Raises:
        InputError: if something is missing.
    """
    missing = missing_packages(name)
    if missing:
        raise InputError(
            f"received --format={name}, for which {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not installed, expected the packages of the "
            "extra [export]; install them with: pip install -c constraints.txt -e '.[export]'"
        )
