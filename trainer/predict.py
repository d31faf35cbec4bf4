"""Asks the model of a finished run what is in some pictures.

    python -m trainer.predict --run_dir=runs/first holiday cat.jpg --grid=answers.png
    python -m trainer.predict --run_dir=runs/first --format=jsonl holiday > answers.jsonl

Prints a line for each file, as it goes. Milliseconds: of decoding, from opening the file to the
model's pixels, in one thread beside others; of the model, what the file's batch took over the files
in it (a batch always has --batch_size places, so that a few files take as long as many).
"""

import dataclasses
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipelines.runtime import command, console, tensorflow_runtime
from pipelines.runtime.command import arguments, option
from pipelines.runtime.console import counted, progress
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import check_output_file, write_output_file
from pipelines.runtime.tensorflow_runtime import keep_freed_memory
from trainer.asking.answer import Answer
from trainer.asking.answer_lines import JsonLines, Lines, TableLines
from trainer.asking.model_options import ModelOptions
from trainer.asking.named_files import FROM_STDIN, NamedFile, find_files
from trainer.input_config import check_at_least

OUTPUT = "Output"
MOST_IN_GRID = 48


@dataclasses.dataclass(frozen=True)
class PredictConfig(ModelOptions):
    """Which pictures, and how the answers are shown.

    Raises:
        InputError: when made with a value that cannot be, or without a picture.
    """

    files: tuple[str, ...] = arguments(
        "IMAGE_OR_FOLDER...",
        "Pictures, and folders, which are gone through recursively for files that are named as "
        "images are. - takes more names from the standard input, one a line.",
    )
    format: str = option(
        "table",
        "table: for a reader. jsonl: an object a line, with the probabilities of all classes.",
        group=OUTPUT,
        choices=("table", "jsonl"),
    )
    top: int = option(1, "How many classes the table shows for each file.", group=OUTPUT)
    grid: str | None = option(
        None,
        f"Where a picture of the first {MOST_IN_GRID} files is written to, a .png file: what the "
        "model saw of each, and what it said.",
        group=OUTPUT,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("top", self.top, 1)
        if not self.files or "" in self.files:
            raise InputError(
                f"received {'an empty name' if self.files else 'no picture'}, expected files or "
                "folders; name some."
            )
        if self.grid is not None and not self.grid.lower().endswith(".png"):
            raise InputError(f"received --grid={self.grid}, expected a file name in .png.")


def main(config: PredictConfig) -> None:
    """Prints the answers about what `config` names."""
    from trainer.model_description import load_description

    run_dir = Path(config.run_dir or "").expanduser()
    class_names = load_description(run_dir).class_names
    files = find_files(config.files, _stdin_names() if FROM_STDIN in config.files else ())
    if not files:
        raise InputError("received no name on the standard input, expected one a line.")
    if config.grid is not None:
        check_output_file("--grid", config.grid)
        _check_no_input(config.grid, files)
    shown, failed = _print_all(_answers(config, run_dir, files), config, files, class_names)
    if config.grid is not None:
        from trainer.asking.answer_grid import draw_answers

        write_output_file("--grid", config.grid, draw_answers(shown, class_names))
        which = f"the first {len(shown)} of " if len(shown) < len(files) else ""
        console.note(f"{config.grid}: {which}{counted(len(files), 'file')}")
    if failed:
        raise InputError(
            f"received {len(files)} file{'s' * (len(files) != 1)} of which {failed} could not be "
            "read, expected pictures (JPEG, PNG, GIF, BMP, WebP or TIFF); see the status of each."
        )


def _stdin_names() -> list[str]:
    return [os.fsdecode(line) for line in sys.stdin.buffer.read().split(b"\n") if line]


def _check_no_input(grid: str, files: Sequence[NamedFile]) -> None:
    written = os.path.realpath(os.path.expanduser(grid))
    if any(os.path.realpath(file.name) == written for file in files):
        raise InputError(
            f"received --grid={grid}, which is one of the pictures asked about, expected another "
            "file; choose another name."
        )


def _answers(config: PredictConfig, run_dir: Path, files: Sequence[NamedFile]) -> Iterator[Answer]:
    if all(file.problem for file in files):  # for which TensorFlow need not be waited for
        yield from (Answer(file.name, file.problem) for file in files)
        return
    keep_freed_memory()
    tensorflow_runtime.import_tensorflow()
    from trainer.asking.asked_model import load_asked_model
    from trainer.asking.file_answers import answers

    asked = load_asked_model(run_dir, config.precision, config.batch_size)
    if asked.note:
        console.note(f"note: {asked.note}.")
    yield from answers(asked, files)


def _print_all(
    answers: Iterator[Answer],
    config: PredictConfig,
    files: Sequence[NamedFile],
    class_names: Sequence[str],
) -> tuple[list[Answer], int]:
    """Prints each answer as it comes; returns the first ones, for the grid, and how many failed."""
    lines: Lines = JsonLines(class_names)
    if config.format == "table":
        lines = TableLines([file.name for file in files], class_names, config.top)
    if sys.stderr.isatty() and not sys.stdout.isatty():  # else the lines themselves show it
        answers = progress(answers, len(files), "Predicting")
    shown: list[Answer] = []
    failed = 0
    for number, answer in enumerate(answers):
        if number == 0 and lines.head:
            _print_line(lines.head)  # not before the model has been found to be one
        _print_line(lines.of(answer))
        failed += not answer.is_ok
        if number < MOST_IN_GRID:
            shown.append(answer)
    return shown, failed


def _print_line(line: str) -> None:
    # A name's bytes that are no UTF-8 become escapes, which in a JSON string are JSON's.
    sys.stdout.buffer.write(f"{line}\n".encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    command.run(main, PredictConfig)
