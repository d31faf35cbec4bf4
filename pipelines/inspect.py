"""Shows what is in a finished set: counts, sizes, a picture of it, and shortcuts in it.

    python -m pipelines.inspect --data_dir=data/my_pictures
    python -m pipelines.inspect --data_dir=data/my_pictures --audit --grid=set.png

With --audit also how well the classes can be told apart by what is not in the picture, and which
images of the test split have a copy among those for training.
"""

import dataclasses
import functools
import json
import os

from pipelines.runtime.command import option, run
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import check_output_file, write_output_file
from pipelines.runtime.tensorflow_runtime import import_tensorflow
from pipelines.tfrecords.manifest import DEFAULT_IMAGE_SIZE, check_shards, open_dataset

GRID_SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclasses.dataclass(frozen=True)
class InspectConfig:
    """The command's flags, checked."""

    data_dir: str = option("data/tfrecords", "The finished set.", group="Input")
    grid: str | None = option(
        None,
        "Where a picture is written to, a .png or .jpg file: training images, a row for each "
        "class.",
        group="Output",
    )
    json: str | None = option(
        None, "Where all that is found is written to as JSON, too.", group="Output"
    )
    audit: bool = option(
        False,
        "Also say how well image size, shape, border and a thumbnail alone tell the classes apart, "
        "and look for near-identical images across the splits.",
        group="Audit",
    )

    def __post_init__(self) -> None:
        if self.grid is not None and not self.grid.lower().endswith(GRID_SUFFIXES):
            raise InputError(
                f"received --grid={self.grid}, expected a file name in {', '.join(GRID_SUFFIXES)}; "
                "change its ending."
            )


def main(config: InspectConfig) -> None:
    """Inspects one set and prints what is found, each part as soon as it is."""
    # Here, so that --help and a wrong flag do not wait for Pillow and NumPy.
    from pipelines.inspection.statistics import Findings, describe
    from pipelines.inspection.text import audit_text, describe_text, raw_gain_text
    from pipelines.tfrecords.reader import survey

    dataset = open_dataset(config.data_dir)
    manifest = dataset.manifest
    check_shards(dataset)
    for flag, path in (("--grid", config.grid), ("--json", config.json)):
        if path is not None:
            check_output_file(flag, path, dataset.directory)
    make = functools.partial(Findings, manifest, grid=config.grid is not None, audit=config.audit)
    found = survey(dataset, make)
    document = describe(dataset, found.headers)
    print(describe_text(document), flush=True)
    if manifest.encoding == "jpeg":
        import_tensorflow()
        from pipelines.inspection.raw_encoding import measure_raw_gain

        num_bytes = sum(found.headers.num_bytes)
        document["raw_gain"] = measure_raw_gain(dataset, num_bytes, DEFAULT_IMAGE_SIZE)
        print(f"\n{raw_gain_text(document)}", flush=True)
    if found.traits and found.hashes:
        from pipelines.inspection.audit import audit_shortcuts, find_leakage

        document["audit"] = audit_shortcuts(manifest, found.traits)
        document["leakage"] = find_leakage(manifest, found.hashes)
        print(f"\n{audit_text(document)}", flush=True)
    if found.picks and config.grid is not None:
        from pipelines.inspection.grid import draw_grid, encode_grid

        document["grid"] = config.grid
        grid = draw_grid(manifest, found.picks.images())
        data = encode_grid(grid, os.path.splitext(config.grid)[1].lower())
        write_output_file("--grid", config.grid, data)
        print(f"\n{config.grid}: {grid.width}x{grid.height} pixels", flush=True)
    if config.json is not None:
        data = (json.dumps(document, indent=2) + "\n").encode()
        write_output_file("--json", config.json, data)


if __name__ == "__main__":
    run(main, InspectConfig)
