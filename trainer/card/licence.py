"""Under which licence the images of a set may be used, as far as this machine knows."""

import json
import os
from pathlib import Path

from pipelines.tfrecords.manifest import Manifest

_KNOWN = {
    "sample": "Apache-2.0, as this project, which drew them",
    "caltech101": "CC BY 4.0 (Caltech 101, CaltechDATA, doi:10.22002/D1.20086)",
}
NOT_KNOWN = "not known: see their source"


def licence_of(manifest: Manifest) -> str:
    """In words; of a set of TensorFlow Datasets what its metadata say, if they are here."""
    kind = manifest.source["kind"]
    if kind == "tfds":
        return _licence_in_tfds(manifest.source["name"]) or NOT_KNOWN
    return _KNOWN.get(kind, NOT_KNOWN)


def _licence_in_tfds(name: str) -> str | None:
    """That of a prepared set; nothing of one that lies elsewhere, or whose versions differ."""
    base = Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()
    found = set()
    for pattern in ("*/*/dataset_info.json", "*/*/*/dataset_info.json"):
        for path in base.glob(pattern):
            try:
                info = json.loads(path.read_text(encoding="utf-8"))
                parts = filter(None, (info["name"], info.get("configName")))
                if "_".join(parts) == name:
                    found.add(info.get("redistributionInfo", {}).get("license"))
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                continue  # somebody else's file
    return found.pop() if len(found) == 1 else None
