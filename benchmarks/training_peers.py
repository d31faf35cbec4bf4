"""Training StridedNet with this project, beside what a Keras and a PyTorch user would write today.

usage: python -m benchmarks.training_peers --source=FOLDER_OF_CLASS_FOLDERS [--json=FILE]

All run on the CPU, each in a process of its own and in turns, so that all meet the same neighbours;
a table gives medians over the rounds, and of each round's ratio to ours in the same precision.
Still, let the machine do nothing else. PyTorch is there twice: as it comes, its threads keep cores
busy while they wait for each other, which costs it a multiple where others want these, such as its
own loader's processes; with OMP_WAIT_POLICY=passive they sleep.

- step: forward, backward and Adam on 32 images of 96x96 that are in memory, again and again. Ours
  is all that the trainer has TensorFlow do in a step: the rate of its schedule, the norms of the
  gradients and the search for NaN, which the peers leave out. Keras is what `fit` calls; PyTorch
  has channels last, fused Adam and autocast. All count loss and right answers.
- epochs: a whole program, from the start of Python to its end: images read from files, warped,
  trained on, all test images evaluated after each epoch. Ours is `python -m trainer.main` on shards
  (their making, once for all runs, is not counted), without pictures and audit, but with its
  checkpoints, TensorBoard files, report and model card, which the peers do not write. Keras is
  `image_dataset_from_directory`, cached, with random layers; PyTorch is ImageFolder and torchvision
  in a DataLoader of a process a core. Their images are the same files, byte for byte.

All have the network of `model.strided_net`, its initial distributions, its batch normalization,
batches of 32, Adam with the same peak rate, warm-up and cosine, and the tutorial's ranges of
augmentation in every epoch. What is not the same work:

- PyTorch's strides pad both sides, where Keras pads one of even sizes: the same cost. Its he_normal
  is not truncated.
- What `benchmarks/input_peers.py` says of the augmentations holds here. Keras' cache keeps scaled
  images, ours bytes; PyTorch's loader has none and decodes in each epoch, as its users mostly do.
- Ours and PyTorch leave the rest of an epoch that fills no batch out, Keras takes a smaller batch.
- Keras has its default, which on a CPU is no XLA, and PyTorch runs eagerly. When they were tried,
  XLA was several times slower, and torch.compile, which convolutions leave little, as fast.

Accuracies are there to show that all learn: a few short runs compare no recipes. Memory is the most
that one process held; PyTorch's loader has others beside it, which do not count.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.command_line import add_output_file
from benchmarks.linked_images import image_files
from benchmarks.measured_process import run_measured
from benchmarks.peer_runs import Figures, Place, Run, epochs, in_turns, step
from benchmarks.result_table import tell
from benchmarks.torch_python import add_torch_python, torch_versions
from benchmarks.training_course import OURS
from pipelines.tfrecords.manifest import load_manifest

BATCH_SIZE = OURS["batch_size"]
Found = dict[Run, list[Figures]]
NAMES = {
    "ours": "this project",
    "keras": "Keras",
    "pytorch": "PyTorch",
    "pytorch_passive": "PyTorch, passive",
}


def main() -> None:
    options = _options()
    # PyTorch's builds are often without a GPU's support; neither is to have one.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    load = os.getloadavg()[0]
    if load > 0.5:
        print(
            f"The machine is busy (load {load:.1f}): its figures are for trying this only.",
            file=sys.stderr,
        )
    versions = torch_versions(options.torch_python)
    if versions is None:
        print("PyTorch is left out: torch or torchvision cannot be imported.", file=sys.stderr)
    names = [name for name in NAMES if versions or "pytorch" not in name]
    runs = [Run(name, precision) for precision in _precisions() for name in names]
    with tempfile.TemporaryDirectory(dir=options.directory) as work:
        place = _prepare(options, Path(work))
        before: dict[str, Any] = {}
        for chosen in options.only or COMPARISONS:
            title, measure, rows_of = COMPARISONS[chosen]
            found = in_turns(runs, measure, place)
            title = f"{title}; the median of {options.rounds} round{'s' * (options.rounds > 1)}"
            rounds = {f"{run.name}, {run.precision}": each for run, each in found.items()}
            more = {"torch": versions, "load_before": load, "rounds": rounds}
            tell(title, rows_of(found), options.json, **more, before=before.copy())
            before[title] = rounds


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--source", type=Path, required=True, help="a folder of class folders")
    parser.add_argument("--data_dir", type=Path, help="a set made from it; else one is made")
    parser.add_argument("--only", choices=COMPARISONS, action="append", help="one comparison")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each")
    parser.add_argument("--steps", type=int, default=100, help="steps of a measurement")
    parser.add_argument("--epochs", type=int, default=5, help="of a run; the first is not counted")
    add_output_file(parser, "--json", "a file for the figures")
    parser.add_argument("--directory", type=Path, help="where there is room for temporary files")
    add_torch_python(parser)
    options = parser.parse_args()
    for name, least in {"rounds": 1, "steps": 1, "epochs": 2}.items():
        if getattr(options, name) < least:
            sys.exit(f"received --{name}={getattr(options, name)}, expected at least {least}.")
    image_files(options.source)
    return options


def _precisions() -> list[str]:
    """Those that the processor has in hardware."""
    program = "from trainer.precision import is_emulated; print(is_emulated('mixed_bfloat16'))"
    emulated = run_measured("-c", program).output.split()[-1] == "True"
    return ["float32"] if emulated else ["float32", "mixed_bfloat16"]


def _prepare(options: argparse.Namespace, work: Path) -> Place:
    """Makes the set, unless there is one, and the peers' images of it."""
    source, data_dir, images = options.source.resolve(), options.data_dir, work / "images"
    if data_dir is None:
        data_dir = work / "set"
        run_measured(
            "-m", "pipelines.make_tfrecords", f"--source={source}", f"--output_dir={data_dir}"
        )
    for split in ("train", "test"):
        run_measured(
            "-m", "benchmarks.training_images", data_dir.resolve(), source, images / split, split
        )
    if "validation" in load_manifest(data_dir).splits:
        sys.exit(
            f"received --source={source}, of which a part is for validation, expected only "
            "training and test images: after an epoch, ours would evaluate others than its peers."
        )
    return Place(images, data_dir.resolve(), work, options)


def _step_rows(found: Found) -> list[dict[str, Any]]:
    return [
        {
            "program": NAMES[run.name],
            "precision": run.precision,
            "ms a step": 1e3 * _median(found, run, "seconds"),
            "images/s": round(BATCH_SIZE / _median(found, run, "seconds")),
            "step / ours": _ratio(found, run, "seconds"),
            "each round, ms": " ".join(f"{1e3 * each['seconds']:.1f}" for each in found[run]),
        }
        for run in found
    ]


def _epoch_rows(found: Found) -> list[dict[str, Any]]:
    return [
        {
            "program": NAMES[run.name],
            "precision": run.precision,
            "images/s in training": round(_median(found, run, "images_per_second")),
            "s an epoch": _median(found, run, "epoch_seconds"),
            "epoch / ours": _ratio(found, run, "epoch_seconds"),
            "s in all": _median(found, run, "seconds"),
            "all / ours": _ratio(found, run, "seconds"),
            "peak MB": round(_median(found, run, "peak_mb")),
            "test accuracy, %": 100 * _median(found, run, "accuracy"),
        }
        for run in found
    ]


def _median(found: Found, run: Run, key: str) -> float:
    return statistics.median(each[key] for each in found[run])


def _ratio(found: Found, run: Run, key: str) -> float:
    """The median over the rounds of a figure over that of ours in the same precision."""
    pairs = zip(found[run], found[Run("ours", run.precision)], strict=True)
    return statistics.median(each[key] / ours[key] for each, ours in pairs)


COMPARISONS = {
    "step": ("A training step of 32 images in memory", step, _step_rows),
    "epochs": ("Whole training, by epochs after the first", epochs, _epoch_rows),
}

if __name__ == "__main__":
    main()
