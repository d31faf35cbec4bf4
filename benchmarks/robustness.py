"""How well finished runs do on changed test images: a row a change, a column a recipe.

usage: python -m benchmarks.robustness RUN [RUN ...] --data_dir=SET [--split=test] [--json=FILE]
           [--grid=FILE.png]

RUN is a finished run directory, or NAME=DIR,DIR,...: runs of one recipe with other seeds, of which
the column NAME tells the mean accuracy and, in parentheses, the least. The same NAME may come again
and adds to its column. The JSON has accuracy, macro F1 and the recall of each class of each run.

What is changed is the stored image, decoded, at its own size; then it is stretched to the model's
input as the input pipeline does it, and the published model is asked as `trainer.evaluate` asks it.
So the row "as it is" is what `trainer.evaluate` says. The changes are those of
`benchmarks/image_changes.py`: nothing in them is drawn at random, all runs see the same images.
What is not the same for all:

- The robust recipe trains with most of these changes, drawn at random and of other strengths; that
  is its point. The default recipe rotates by up to 10 degrees, with the nearest pixel in the
  corners, the tutorial's by up to 20, and the fast one only mirrors. JPEG's artefacts and half the
  resolution are new to all.
- Figures of a rotation are of both directions, so of twice as many images.
- For a run with --decode_ratio above 1 an image is decoded at the reduced size and changed then,
  which makes the JPEG and the half resolution harder.

Do not choose a recipe by this table and then quote it: choose by --split=validation of a set that
has one.
"""

import argparse
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.command_line import ending_in_one_line
from benchmarks.image_changes import CHANGES
from benchmarks.result_table import tell
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import check_output_file
from pipelines.runtime.tensorflow_runtime import import_tensorflow, keep_freed_memory
from trainer.asking.asked_data import StoredData, find_split
from trainer.model_description import ModelDescription, load_description

if TYPE_CHECKING:
    from benchmarks.changed_split import ChangedSplit

RunFigures = Mapping[str, Mapping[str, Any]]  # of each change, as `change_figures` gives them


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    with ending_in_one_line():
        columns = columns_of(options.runs)
        runs = {run: load_description(run) for places in columns.values() for run in places}
        data = _checked_data(runs, options)
        keep_freed_memory()
        import_tensorflow()
        splits = _changed_splits(data, runs.values())
        if options.grid is not None:
            _draw(options.grid, splits, data)
        figures = {run: _ask(run, splits[_input_of(runs[run])]) for run in runs}
    by_column = {name: {str(run): figures[run] for run in c} for name, c in columns.items()}
    tell(
        f"Accuracy in percent on {data.manifest.splits[data.split].num_examples} images of the "
        f"split {data.split} of {data.name}; of several runs the mean (and the least)",
        table_rows({name: list(found.values()) for name, found in by_column.items()}),
        options.json,
        runs=by_column,
        data_fingerprint=data.manifest.fingerprint,
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="a finished run directory, or NAME=DIR,DIR,..."
    )
    parser.add_argument("--data_dir", required=True, help="a set of pipelines.make_tfrecords")
    parser.add_argument("--split", default="test", help="which split of it; test unless given")
    parser.add_argument("--json", type=Path, help="where all figures go")
    parser.add_argument("--grid", type=Path, help="a PNG of an image of each class, changed")
    return parser.parse_args(arguments)


def columns_of(arguments: Sequence[str]) -> dict[str, list[Path]]:
    """The run directories of each column, by its name.

    Args:
        arguments: NAME=DIR,DIR,... or DIR, whose name is its path. What is a directory as a whole
            is one, whatever it is called: `trainer.study` has names such as "epochs=2,seed=0".

    Raises:
        InputError: if a name or a directory is empty, or a directory comes twice.
    """
    columns: dict[str, list[Path]] = {}
    for argument in arguments:
        name, equals, places = argument.partition("=")
        if not equals or Path(argument).is_dir():
            name, places = argument, argument
        directories = [places] if Path(places).is_dir() else places.split(",")
        if not name or not all(directories):
            raise InputError(
                f"received the run {argument!r}, expected a run directory or NAME=DIR,DIR,...; "
                "write what is missing."
            )
        columns.setdefault(name, []).extend(map(Path, directories))
    seen: set[Path] = set()
    for run in (run for runs in columns.values() for run in runs):
        if run.resolve() in seen:
            raise InputError(f"received the run {run} twice, expected it once; leave one out.")
        seen.add(run.resolve())
    return columns


def _checked_data(runs: Mapping[Path, ModelDescription], options: argparse.Namespace) -> StoredData:
    """The split, which is one that the models of all runs can be asked about."""
    for run, description in runs.items():
        data = find_split(run, options.data_dir, options.split, description)
    if data.manifest.encoding != "jpeg":
        raise InputError(
            f"received --data_dir={options.data_dir}, which holds pixels of one size, expected "
            "images that have their own; make the set with --encoding=jpeg."
        )
    for flag, path in {"--json": options.json, "--grid": options.grid}.items():
        if path is not None:
            check_output_file(flag, str(path), options.data_dir)
    return data


def _input_of(description: ModelDescription) -> tuple[int, int]:
    return description.image_size, description.decode_ratio


def _changed_splits(
    data: StoredData, descriptions: Iterable[ModelDescription]
) -> dict[tuple[int, int], "ChangedSplit"]:
    """What models see, by their image size and decode ratio: of most runs the same."""
    from benchmarks.changed_split import changed_split

    splits = {}
    for size, ratio in dict.fromkeys(map(_input_of, descriptions)):
        splits[size, ratio] = changed_split(data, size, ratio)
        print(f"changed all images, for {size}x{size} pixels", file=sys.stderr)
    return splits


def _draw(path: Path, splits: Mapping[Any, "ChangedSplit"], data: StoredData) -> None:
    from benchmarks.changes_grid import draw_changes

    draw_changes(path, next(iter(splits.values())), data.manifest.class_names)


def _ask(run: Path, split: "ChangedSplit") -> RunFigures:
    from benchmarks.change_figures import change_figures

    figures, note = change_figures(run, split)
    print(f"asked {run}{f' ({note})' if note else ''}", file=sys.stderr)
    return figures


def table_rows(columns: Mapping[str, Sequence[RunFigures]]) -> list[dict[str, str]]:
    """A row for each change: its accuracy in percent in each column.

    Args:
        columns: Name -> the figures of its runs.
    """
    rows = []
    for change in CHANGES:
        row = {"change": change}
        for name, runs in columns.items():
            accuracies = [100 * run[change]["accuracy"] for run in runs]
            several = len(runs) > 1
            heading = f"{name}, {len(runs)} runs" if several else name
            least = f" ({min(accuracies):.2f})" if several else ""
            row[heading] = f"{statistics.mean(accuracies):.2f}{least}"
        rows.append(row)
    return rows


if __name__ == "__main__":
    main()
