"""The tutorial's procedure beside our recipes: seconds, accuracy and memory, on the same images.

usage: python -m benchmarks.recipes --source=FOLDER_OF_CLASS_FOLDERS --work_dir=DIR

Measures, each in a process of its own and one after the other, on a machine that should be idle:

- the tutorial's procedure, `benchmarks.tutorial_procedure`, which begins with image files;
- the conversion of the same files to shards, which is done once and for all: of the images as they
  are, and of pixels of the network's input size, which the fast recipe is given;
- `python -m trainer.main` as a user starts it, with the flags of a recipe alone: fast, default (no
  flags), robust, and the tutorial's hyperparameters. Our runs write checkpoints, event files, a
  model card and the model, and all but the fast one, by its flags, pictures and an audit; the
  procedure writes one plot.

Round N, from 0, has the seed N, which changes what is drawn and not what is done. All train on the
same images and evaluate the same test images after each epoch, which is checked; no epoch is chosen
by that. The procedure computes in float32, as it did; ours in what `--precision=auto` takes here.

Seconds are from the start of the process to its end. Those to 97 % are from its start to the end of
the first evaluation that has at least 97 % of the test images right; the run goes on. The speed-up
is that of the whole run; the last column counts the conversion before it. Figures are means over
the rounds, with the standard deviation (n - 1); the memory is the most of all rounds.

What is finished stays in --work_dir, and the same command goes on after it. Take another directory
after a change of the code.
"""

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.command_line import add_output_file, ending_in_one_line
from benchmarks.kept_measurements import KeptMeasurements, Measurement
from benchmarks.measured_process import ROOT
from benchmarks.result_table import tell
from benchmarks.spread import plus_minus
from benchmarks.training_results import of_procedure, of_run
from benchmarks.tutorial_procedure import CLASSES, divided, image_paths
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import Split, load_manifest
from pipelines.tfrecords.record import parse_features, read_records

PROCEDURE = "tutorial-procedure"
CONVERSIONS = {  # and their flags
    "conversion": (),
    "conversion-pixels": ("--encoding=raw",),
}
RECIPES = {  # the files of their flags, and what they are trained on
    "fast": ("recipes/fast.flags", "conversion-pixels"),
    "default": (None, "conversion"),
    "robust": ("recipes/robust.flags", "conversion"),
    "tutorial-flags": ("recipes/tutorial.flags", "conversion"),
}
RAREST = "Leopards"

Done = dict[str, list[Measurement]]


def main() -> None:
    options = _options()
    kept = KeptMeasurements(options.work_dir)
    with ending_in_one_line():
        done: Done = {name: [] for name in (PROCEDURE, *CONVERSIONS, *RECIPES)}
        for number in range(max(options.rounds, options.tutorial_rounds)):
            if number < options.rounds:
                for name in CONVERSIONS:
                    done[name].append(_convert(kept, name, options.source, number))
            if number == 0:
                for name in CONVERSIONS:
                    check_images(kept.place(f"{name}-0"), options.source)
            if number < options.tutorial_rounds:
                done[PROCEDURE].append(_follow_tutorial(kept, options, number))
            if number < options.rounds:
                for name in RECIPES:
                    done[name].append(_train(kept, name, number))
    title = f"The tutorial's procedure, {options.tutorial_epochs} epochs, and our recipes"
    tell(title, rows(done), options.json, measurements=done)


def _convert(kept: KeptMeasurements, conversion: str, source: Path, number: int) -> Measurement:
    name = f"{conversion}-{number}"
    flags = [f"--source={source}", f"--output_dir={kept.place(name)}", *CONVERSIONS[conversion]]
    return kept.measure(name, ["-m", "pipelines.make_tfrecords", *flags], lambda *_: {})


def _follow_tutorial(
    kept: KeptMeasurements, options: argparse.Namespace, number: int
) -> Measurement:
    name = f"{PROCEDURE}-{number}"
    flags = [f"--source={options.source}", f"--plot={kept.place(name)}.png"]
    flags += [f"--epochs={options.tutorial_epochs}", f"--seed={number}"]
    return kept.measure(
        name,
        ["-m", "benchmarks.tutorial_procedure", *flags],
        lambda measured, started: of_procedure(measured.output, started),
    )


def _train(kept: KeptMeasurements, recipe: str, number: int) -> Measurement:
    name = f"{recipe}-{number}"
    run_dir = kept.place(name)
    path, conversion = RECIPES[recipe]
    flags = [f"--data_dir={kept.place(f'{conversion}-0')}"]
    flags += [f"--run_dir={run_dir}", f"--seed={number}"]
    if path is not None:
        flags.append(f"--flagfile={path}")
    return kept.measure(
        name,
        ["-m", "trainer.main", *flags],
        lambda _, started: of_run(run_dir, started),
        based_on="" if path is None else (ROOT / path).read_text(encoding="utf-8"),
    )


def check_images(data_dir: Path, source: Path) -> None:
    """Ends the program unless a set's images for training and test are those of the procedure."""
    try:
        splits = load_manifest(data_dir).splits
    except InputError as error:
        sys.exit(str(error))
    ours = {name: _names(data_dir, split) for name, split in splits.items()}
    paths = image_paths(source, CLASSES)
    parts = divided([path.parent.name for path in paths], paths)
    names = ({path.relative_to(source).as_posix() for path in part} for part in parts)
    if ours != dict(zip(("train", "test"), names, strict=True)):
        sys.exit(
            f"received --source={source}, of which the set {data_dir.name} has other images for "
            f"training and test than the procedure, expected the folders {', '.join(CLASSES)} and "
            "no others; take these out."
        )


def _names(data_dir: Path, split: Split) -> set[str]:
    shards = ((data_dir / shard.name).read_bytes() for shard in split.shards)
    records = (record for shard in shards for record in read_records(shard))
    return {parse_features(r)["file_name"].bytes_list.value[0].decode() for r in records}


def rows(done: Done) -> list[dict[str, Any]]:
    """The table: a row for all that was measured under a name."""
    return [_row(name, done) for name in done]


def _row(name: str, done: Done) -> dict[str, Any]:
    seconds = _each(done[name], "seconds")
    accuracies = [100 * value for value in _each(done[name], "accuracy")]
    recalls = [100 * recall[RAREST] for recall in _each(done[name], "recall")]
    return {
        "": name,
        "rounds": len(seconds),
        "seconds": _mean(seconds),
        "to 97 %": _mean(_each(done[name], "seconds_to_target"), of=len(seconds)),
        "accuracy, %": _mean(accuracies, digits=2),
        f"recall of {RAREST}, %": _mean(recalls),
        "memory, MB": round(max(_each(done[name], "peak_mb"))),
        **_speed_ups(name, done),
    }


def _speed_ups(name: str, done: Done) -> dict[str, Any]:
    """How much sooner a recipe is done than the procedure, without and with its conversion."""
    if name not in RECIPES:
        return {"speed-up": "-", "with conversion": "-"}
    procedure, conversion, recipe = (
        statistics.mean(_each(done[each], "seconds"))
        for each in (PROCEDURE, RECIPES[name][1], name)
    )
    return {"speed-up": procedure / recipe, "with conversion": procedure / (conversion + recipe)}


def _each(measurements: list[Measurement], key: str) -> list[Any]:
    """What each has under that key, of those that have it."""
    return [m[key] for m in measurements if m.get(key) is not None]


def _mean(values: list[float], digits: int = 1, of: int | None = None) -> str:
    """The mean and the deviation; of how many, where some of `of` rounds have no value."""
    if not values:
        return "-"
    some = f" ({len(values)} of {of})" if of is not None and of > len(values) else ""
    return plus_minus(values, digits) + some


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--source", type=Path, required=True, help=f"a folder of the folders {', '.join(CLASSES)}"
    )
    parser.add_argument("--work_dir", type=Path, required=True, help="where what is done stays")
    add_output_file(parser, "--json", "where all figures are written to")
    parser.add_argument("--rounds", type=int, default=3, help="of all but the procedure")
    parser.add_argument("--tutorial_rounds", type=int, default=1, help="of the procedure")
    parser.add_argument("--tutorial_epochs", type=int, default=50, help="of the procedure")
    options = parser.parse_args()
    for name in ("rounds", "tutorial_rounds", "tutorial_epochs"):
        if getattr(options, name) < 1:
            sys.exit(f"received --{name}={getattr(options, name)}, expected at least 1.")
    # The processes have another current directory.
    for name in ("source", "work_dir"):
        setattr(options, name, getattr(options, name).resolve())
    image_paths(options.source, CLASSES)
    try:
        options.work_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.exit(
            f"received --work_dir={options.work_dir}, which cannot be made ({error.strerror}), "
            "expected a directory or none; choose another."
        )
    return options


if __name__ == "__main__":
    main()
