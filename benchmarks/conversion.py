"""How fast images become shards, how fast shards are verified, and in how much memory.

Prints, each measured in a process of its own and the rates alternately, with the import of
TensorFlow and the start not counted:

- the rate of a conversion, beside the rate at which tf.data merely reads and decodes the same
  files, at full size and on all cores;
- the rate of a verification, beside that of `sha256sum` on the same shards;
- the peak memory of a conversion of many images, beside that of few.

usage: python benchmarks/conversion.py --source=FOLDER_OF_CLASS_FOLDERS

The images are repeated under other names (hard links in a temporary folder) until there are enough
of them. The largest conversion needs twice the room of its images on the disk.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from linked_images import image_files, repeated

MEASURED = {
    "decode": """
import os, sys, time
from pipelines.runtime.tensorflow_runtime import import_tensorflow
import_tensorflow()
import tensorflow as tf
paths = [str(p) for p in sorted(__import__("pathlib").Path(sys.argv[1]).glob("*/*"))]
def decode(path):
    return tf.shape(tf.io.decode_image(tf.io.read_file(path), 3, expand_animations=False))
def images(paths):
    calls = os.cpu_count()
    mapped = tf.data.Dataset.from_tensor_slices(paths).map(decode, calls, deterministic=False)
    return mapped.batch(64).prefetch(2)
for _ in images(paths[:64]): pass
start = time.perf_counter()
for _ in images(paths): pass
amount, seconds = len(paths), time.perf_counter() - start
""",
    "convert": """
import sys, time
from pathlib import Path
from pipelines.runtime.tensorflow_runtime import import_tensorflow
import_tensorflow()
import pipelines.conversion.local_engine, pipelines.tfrecords.writer
from pipelines.conversion.convert import convert
from pipelines.tfrecords.manifest import Settings
from pipelines.sources import open_source
start = time.perf_counter()
manifest = convert(open_source(sys.argv[1]), Settings(), Path(sys.argv[2]), overwrite=True)
amount, seconds = manifest.source["num_images"], time.perf_counter() - start
""",
    "verify": """
import sys, time
from pipelines.tfrecords.verification import verify
start = time.perf_counter()
verification = verify(sys.argv[1], progress=False)
amount, seconds = verification.num_bytes, time.perf_counter() - start
assert not verification.problems
""",
    "sha256sum": """
import subprocess, sys, time
from pathlib import Path
paths = sorted(Path(sys.argv[1]).glob("*.tfrecord-*"))
start = time.perf_counter()
subprocess.run(["sha256sum", *paths], check=True, stdout=subprocess.DEVNULL)
amount, seconds = sum(path.stat().st_size for path in paths), time.perf_counter() - start
""",
}
REPORT = """
import json, resource
unit = 1 if sys.platform == "darwin" else 1024
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
print(json.dumps({"amount": amount, "seconds": seconds, "peak_bytes": peak}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--source", type=Path, required=True, help="a folder of class folders")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each rate")
    parser.add_argument("--images", type=int, default=20_000, help="images for the rates")
    parser.add_argument("--few", type=int, default=2_000, help="images for the memory, small")
    parser.add_argument("--many", type=int, default=200_000, help="images for the memory, large")
    parser.add_argument("--directory", type=Path, help="where there is room for temporary files")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as temporary:
        work = Path(temporary)
        originals = image_files(options.source)
        images = repeated(originals, work / "images", options.images)
        _compare("images/s", options.rounds, {
            "decode": lambda: _measure("decode", images),
            "convert": lambda: _measure("convert", images, work / "set"),
        })  # fmt: skip
        _compare("MB/s", options.rounds, {
            "sha256sum": lambda: _measure("sha256sum", work / "set"),
            "verify": lambda: _measure("verify", work / "set"),
        })  # fmt: skip
        peaks = []
        for count in (options.few, options.many):
            images = repeated(originals, work / f"images-{count}", count)
            measured = _measure("convert", images, work / f"set-{count}")
            peaks.append(measured["peak_bytes"] / 1e6)
            rate = measured["amount"] / measured["seconds"]
            print(f"{count:,} images: peak memory {peaks[-1]:,.0f} MB ({rate:,.0f} images/s)")
        print(f"difference: {peaks[1] - peaks[0]:+,.0f} MB")


def _measure(what: str, *arguments: Path) -> dict[str, float]:
    command = [sys.executable, "-c", MEASURED[what] + REPORT, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def _compare(unit: str, rounds: int, measures: dict[str, Callable[[], dict[str, float]]]) -> None:
    """Prints the median rates, and the median of each round's ratio of the second to the first."""
    scale = 1e6 if unit == "MB/s" else 1
    rates: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            measured = measure()
            rates[name].append(measured["amount"] / measured["seconds"] / scale)
    for name, values in rates.items():
        print(f"{name}: {statistics.median(values):,.0f} {unit}", *(f"{v:,.0f}" for v in values))
    first, second = rates.values()
    ratios = [b / a for a, b in zip(first, second, strict=True)]
    names = "/".join(reversed(list(rates)))
    print(f"{names}: {statistics.median(ratios):.2f}", *(f"{ratio:.2f}" for ratio in ratios))


if __name__ == "__main__":
    main()
