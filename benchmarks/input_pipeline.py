"""What the input pipeline promises beside its rate: at any size, from any step, without stalls.

Prints, each measured in a process of its own and in turns:

- time for an image and peak memory of training on many images, beside few, decoded in each epoch;
- the time to the first batch from the middle of a run, beside that from its beginning;
- the longest wait when a hundred iterators are dropped in the middle of an epoch;
- the rate of decoding at a reduced scale, beside that at the full one, for large photographs.

usage: python benchmarks/input_pipeline.py --source=FOLDER_OF_CLASS_FOLDERS

The images are repeated under other names (hard links in a temporary folder) until there are enough
of them; the large photographs are these images enlarged to 1600 pixels. The largest set needs twice
the room of its images on the disk.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from linked_images import image_files, repeated

START = """
import dataclasses, json, resource, sys, time
from pipelines.runtime.tensorflow_runtime import import_tensorflow
import_tensorflow()
import tensorflow as tf
from pipelines.loading.dataset import eval_batches, train_batches
from pipelines.loading.options import InputOptions
from pipelines.tfrecords.manifest import open_dataset
directory, options = sys.argv[1], InputOptions(**json.loads(sys.argv[2]))
run = json.loads(sys.argv[3])
dataset = open_dataset(directory)
"""
MEASURED = {
    # An epoch or more, without the start.
    "pass": """
batches = iter(train_batches(dataset, options, epochs=run["epochs"], seed=0))
next(batches)
start, cpu_start = time.perf_counter(), time.process_time()
images = sum(images.shape[0] for images, _ in batches)
unit = 1 if sys.platform == "darwin" else 1024
result = {
    "ms": 1e3 * (time.perf_counter() - start) / images,
    "cpu_ms": 1e3 * (time.process_time() - cpu_start) / images,
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6,
}
""",
    "start": """
steps = dataset.manifest.splits["train"].num_examples // options.batch_size
start = time.perf_counter()
start_step = int(run["epochs_done"] * steps)
next(iter(train_batches(dataset, options, epochs=14, seed=0, start_step=start_step)))
result = {"seconds": time.perf_counter() - start}
""",
    "drop": """
waits = []
def drop(dataset):
    iterator = iter(dataset)
    for _ in range(3):
        next(iterator)
    start = time.perf_counter()
    del iterator
    waits.append(time.perf_counter() - start)
training = train_batches(dataset, options, epochs=14, seed=0)
evaluation = eval_batches(dataset, "test", options)
for _ in range(run["iterators"] // 2):
    drop(training)
    drop(evaluation)
result = {"longest_ms": 1e3 * max(waits), "count": len(waits)}
""",
}
END = "print(json.dumps(result))"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--source", type=Path, required=True, help="a folder of class folders")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each")
    parser.add_argument("--few", type=int, default=2_000, help="images in the small set")
    parser.add_argument("--many", type=int, default=200_000, help="images in the large set")
    parser.add_argument("--iterators", type=int, default=100, help="iterators to drop")
    parser.add_argument("--directory", type=Path, help="where there is room for temporary files")
    options = parser.parse_args()
    originals = image_files(options.source)
    with tempfile.TemporaryDirectory(dir=options.directory) as temporary:
        work = Path(temporary)
        _scale(work, originals, options.few, options.many, options.rounds)
        real = _converted(repeated(originals, work / "real", len(originals)), work / "real-set")
        _resume(real, options.rounds)
        for cache in ("memory", "none"):
            found = _measure("drop", real, {"cache": cache}, iterators=options.iterators)
            print(
                f"{found['count']} iterators dropped, cache={cache}: longest wait "
                f"{found['longest_ms']:.0f} ms"
            )
        _reduced(work, originals, min(512, len(originals)), options.rounds)


def _scale(work: Path, originals: list[Path], few: int, many: int, rounds: int) -> None:
    sets = {}
    for count in (few, many):
        images = repeated(originals, work / f"images-{count}", count)
        sets[count] = _converted(images, work / f"set-{count}")
        shutil.rmtree(images)
    found = _in_turns(rounds, {
        f"{count:,} images": lambda directory=directory, epochs=many // count: _measure(
            "pass", directory, {"cache": "none"}, epochs=epochs
        )
        for count, directory in sets.items()
    })  # fmt: skip
    for name, values in found.items():
        print(
            f"{name}, decoded in each epoch: {_middle(values, 'ms'):.4f} ms an image, "
            f"{_middle(values, 'cpu_ms'):.4f} ms of processor time, peak memory "
            f"{_middle(values, 'peak_mb'):,.0f} MB"
        )
    small, large = found.values()
    for what in ("ms", "cpu_ms", "peak_mb"):
        print(f"large/small, {what}: {_ratios(small, large, what)}")
    for directory in sets.values():
        shutil.rmtree(directory)


def _resume(directory: Path, rounds: int) -> None:
    for cache in ("memory", "none"):
        found = _in_turns(rounds, {
            name: lambda epochs=epochs, cache=cache: _measure(
                "start", directory, {"cache": cache}, epochs_done=epochs
            )
            for name, epochs in (("from step 0", 0), ("from 6.5 of 14 epochs", 6.5))
        })  # fmt: skip
        for name, values in found.items():
            print(f"first batch {name}, cache={cache}: {_middle(values, 'seconds'):.2f} s")
        print(f"resumed/begun, cache={cache}: {_ratios(*found.values(), 'seconds')}")


def _reduced(work: Path, originals: list[Path], count: int, rounds: int) -> None:
    from PIL import Image

    for number in range(count):
        original = originals[number * len(originals) // count]
        target = work / "photographs" / original.parent.name / f"{number:05}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(original) as image:
            scale = 1600 / max(image.size)
            size = tuple(round(side * scale) for side in image.size)
            image.convert("RGB").resize(size).save(target, quality=90)
    directory = _converted(work / "photographs", work / "photographs-set")
    found = _in_turns(rounds, {
        ratio: lambda ratio=ratio: _measure(
            "pass",
            directory,
            {"cache": "none", "augmentation": None, "decode_ratio": ratio},
            epochs=4,
        )
        for ratio in (1, 2, 4, 8)
    })  # fmt: skip
    for ratio, values in found.items():
        print(
            f"photographs of 1600 pixels, --decode_ratio={ratio}: "
            f"{1e3 / _middle(values, 'ms'):,.0f} images/s"
        )


def _converted(images: Path, target: Path) -> Path:
    command = [sys.executable, "-m", "pipelines.make_tfrecords"]
    _run([*command, f"--source={images}", f"--output_dir={target}"])
    return target


def _measure(what: str, directory: Path, options: dict, **run: float) -> dict[str, float]:
    arguments = [str(directory), json.dumps(options), json.dumps(run)]
    output = _run([sys.executable, "-c", START + MEASURED[what] + END, *arguments])
    return json.loads(output.splitlines()[-1])


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def _in_turns(
    rounds: int, measures: dict[str, Callable[[], dict[str, float]]]
) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            found[name].append(measure())
    return found


def _middle(values: list[dict[str, float]], what: str) -> float:
    return statistics.median(value[what] for value in values)


def _ratios(first: list[dict[str, float]], second: list[dict[str, float]], what: str) -> str:
    """The median of each round's ratio of the second to the first, and all of them."""
    ratios = [b[what] / a[what] for a, b in zip(first, second, strict=True)]
    return " ".join(f"{ratio:.2f}" for ratio in (statistics.median(ratios), *ratios))


if __name__ == "__main__":
    main()
