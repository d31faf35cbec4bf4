"""What data are called where people read of them; needs no TensorFlow."""

from pipelines.tfrecords.manifest import Manifest

_DRAWN = " (drawn by this project, no photographs)"


def shown_name(name: str, kind: str) -> str:
    """A name that says so if the images are no photographs.

    Args:
        name: Of the set or source.
        kind: As in `pipelines.sources.Source`.
    """
    return name + _DRAWN * (kind == "sample")


def data_name(manifest: Manifest) -> str:
    """What a finished set is called, for the reader."""
    return shown_name(manifest.name, manifest.source["kind"])
