"""How fast our input pipeline is, beside what one would otherwise take, on the same images.

usage: python benchmarks/input_peers.py --source=FOLDER_OF_CLASS_FOLDERS

Prints images a second, each measured in a process of its own and in turns, and the ratio of ours to
each peer:

- decoding: our chain from shards, not augmented and not cached, beside the bare decoder, which has
  the same bytes in memory and neither resizes what it decodes nor keeps it;
- augmentation of images that are in memory: our chain from its second epoch on, which is order,
  gather and warp, beside Keras' legacy ImageDataGenerator (`flow`) with the tutorial's arguments,
  and Keras' random layers after `cache`;
- everything, from files or shards: our chain without a cache, beside ImageDataGenerator
  (`flow_from_directory`), Keras' image_dataset_from_directory with random layers, and a PyTorch
  DataLoader where torch and torchvision can be imported.

All read the training images of the set, byte for byte the same, in files that the system has in its
memory. All deliver float32 batches of 32 images of 96x96 with their labels, shuffled, use all cores
where they can, and go from epoch to epoch without being made anew. The settings are those of the
peers' guides. What is not the same work:

- ImageDataGenerator does the very same warp, in SciPy. The tutorial runs it in one thread; what
  Keras calls `workers` are more threads, for which SciPy lets go of Python's lock. It is measured
  both ways.
- Keras' random layers draw for each image, as we do, but interpolate once a layer, four times in
  all, where ours does once. They leave pixels in [0, 255] for a layer of the model to scale. After
  `cache` the same images share a batch in every epoch; only the batches are shuffled.
- torchvision's RandomAffine zooms both axes by one factor and fills what comes from outside the
  image with black.
- torchvision and `flow_from_directory`, which uses Pillow, antialias when they resize; ours and
  `image_dataset_from_directory` do not.
- Only ours gives the same batches at every run and on any number of threads.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from linked_images import image_files, link
from torch_python import add_torch_python, torch_versions

ROOT = Path(__file__).resolve().parents[1]
BATCH_SIZE = 32


class Rate(NamedTuple):
    measure: str  # a function in input_rates.py
    name: str
    does: str
    needs_torch: bool = False


class Comparison(NamedTuple):
    title: str
    rates: tuple[Rate, ...]  # ours first


COMPARISONS = {
    "decoding": Comparison("Decoding", (
        Rate("ours_decoding", "ours", "shards, order, decode, resize to 96x96, batch"),
        Rate("bare_decoder", "bare decoder", "tf.io.decode_image in tf.data, an image a call"),
        Rate("bare_decoder_in_batches", "bare decoder by 32", "the same, 32 images a call"),
    )),
    "memory": Comparison("Augmentation of images in memory", (
        Rate("ours_in_memory", "ours", "order, gather, one fused warp, scale"),
        Rate("generator_in_memory", "ImageDataGenerator", "flow, one thread"),
        Rate("generator_in_memory_threads", "ImageDataGenerator, workers", "flow, a thread a core"),
        Rate("keras_layers_in_memory", "Keras' random layers",
             "cache, shuffle, map of five layers"),
    )),
    "files": Comparison("From files or shards, augmented", (
        Rate("ours_from_shards", "ours", "shards, decode, resize, one fused warp, scale"),
        Rate("generator_from_files", "ImageDataGenerator", "flow_from_directory, one thread"),
        Rate("generator_from_files_threads", "ImageDataGenerator, workers",
             "flow_from_directory, a thread a core"),
        Rate("keras_layers_from_files", "Keras' random layers",
             "image_dataset_from_directory, map of five layers"),
        Rate("pytorch_from_files", "PyTorch",
             "DataLoader of ImageFolder, RandomAffine, RandomHorizontalFlip, a process a core",
             needs_torch=True),
    )),
}  # fmt: skip


def main() -> None:
    options = _options()
    chosen = [COMPARISONS[name] for name in options.only or COMPARISONS]
    with tempfile.TemporaryDirectory(dir=options.directory) as temporary:
        work = Path(temporary)
        source = options.source.resolve()
        if options.images is not None:
            source = _some_of(source, work / "source", options.images)
        if options.data_dir is None:
            data_dir = work / "set"
            _run("-m", "pipelines.make_tfrecords", f"--source={source}", f"--output_dir={data_dir}")
        else:
            data_dir = options.data_dir.resolve()
        images = work / "images"
        count = int(_run("-m", "benchmarks.training_images", data_dir, source, images))
        if count < BATCH_SIZE:
            sys.exit(f"received {count} training images, expected at least {BATCH_SIZE}.")
        print(
            f"{count:,} images in batches of {BATCH_SIZE} on {os.cpu_count()} cores: the median, "
            f"then each of {options.rounds} rounds"
        )
        for title, rates in chosen:
            print(f"\n{title}")
            rates = _possible(rates, options.torch_python)
            _compare(rates, options, (images, data_dir, options.seconds))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--source", type=Path, required=True, help="a folder of class folders")
    parser.add_argument("--data_dir", type=Path, help="a set made from it; else one is made")
    parser.add_argument("--only", choices=COMPARISONS, action="append", help="one comparison")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each rate")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    parser.add_argument("--images", type=int, help="images to make the set from; all unless given")
    parser.add_argument("--directory", type=Path, help="where there is room for temporary files")
    add_torch_python(parser)
    options = parser.parse_args()
    image_files(options.source)
    if options.data_dir is not None and options.images is not None:
        sys.exit(
            f"received --images={options.images} with --data_dir={options.data_dir}, a set that is "
            "there already, expected one of the two."
        )
    return options


def _some_of(source: Path, target: Path, count: int) -> Path:
    """A folder of `count` images of `source`, taken in strides and so from all classes."""
    files = image_files(source)
    count = min(count, len(files))
    for path in (files[number * len(files) // count] for number in range(count)):
        link(path, target / path.relative_to(source))
    return target


def _possible(rates: Sequence[Rate], torch_python: str) -> list[Rate]:
    """Those that can be measured; prints what each is, and which is left out."""
    possible = []
    for rate in rates:
        left_out = rate.needs_torch and torch_versions(torch_python) is None
        why = "; left out, since torch or torchvision cannot be imported" if left_out else ""
        print(f"  {rate.name}: {rate.does}{why}")
        possible += [] if left_out else [rate]
    return possible


def _compare(rates: Sequence[Rate], options: argparse.Namespace, arguments: tuple) -> None:
    """Prints the median rates, and the median of each round's ratio of ours to each peer."""
    measured: dict[str, list[float]] = {rate.name: [] for rate in rates}
    for _ in range(options.rounds):
        for rate in rates:
            python = options.torch_python if rate.needs_torch else sys.executable
            printed = _run("-m", "benchmarks.input_rates", rate.measure, *arguments, python=python)
            result = json.loads(printed)
            measured[rate.name].append(result["images"] / result["seconds"])
    for name, values in measured.items():
        print(f"{name}: {statistics.median(values):,.0f} images/s", *(f"{v:,.0f}" for v in values))
    ours, *peers = measured
    for peer in peers:
        ratios = [a / b for a, b in zip(measured[ours], measured[peer], strict=True)]
        print(f"{ours}/{peer}: {statistics.median(ratios):.2f}", *(f"{r:.2f}" for r in ratios))


def _run(*arguments: object, python: str = sys.executable) -> str:
    """The last line that a process of its own prints."""
    command = [python, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr.strip())
    return done.stdout.splitlines()[-1]


if __name__ == "__main__":
    main()
