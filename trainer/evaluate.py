"""Evaluates the model of a finished run, on a split of any finished set or on labelled pictures.

    python -m trainer.evaluate --run_dir=runs/first
    python -m trainer.evaluate --run_dir=runs/first --source=my_pictures

Without --data_dir and --source, on the test split of the data that the run was trained with. The
pictures of a --source are treated exactly as a conversion and the training treat them.
"""

import dataclasses
from pathlib import Path

from pipelines.runtime import command, console, tensorflow_runtime
from pipelines.runtime.command import option
from pipelines.runtime.errors import InputError
from pipelines.runtime.tensorflow_runtime import keep_freed_memory
from pipelines.sources.base import DEFAULT_DOWNLOAD_DIR
from pipelines.tfrecords.manifest import SPLITS
from trainer.asking.model_options import ModelOptions

DATA, OUTPUT = "Data", "Output"


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(ModelOptions):
    """What is evaluated on what.

    Raises:
        InputError: when made with values that contradict.
    """

    data_dir: str | None = option(
        None, "A finished set of shards; that of the training unless given.", group=DATA
    )
    split: str | None = option(
        None, "Which split of it; test unless given.", group=DATA, choices=SPLITS
    )
    source: str | None = option(
        None,
        "Instead of a finished set: labelled pictures as pipelines.make_tfrecords takes them, such "
        "as a folder of class folders, a .zip of one, or a list; all of them.",
        group=DATA,
    )
    classes: tuple[str, ...] = option(
        (), "Classes of --source to take; all that have pictures unless given.", group=DATA
    )
    on_bad_image: str = option(
        "fail",
        "What to do about a picture of --source that cannot be decoded: stop with its name, or "
        "leave it out and list it in the report.",
        group=DATA,
        choices=("fail", "skip"),
    )
    download_dir: str = option(
        DEFAULT_DOWNLOAD_DIR, "Where a --source that is downloaded is kept.", group=DATA
    )
    output_dir: str | None = option(
        None,
        "Where the report and the pictures are left; RUN_DIR/evaluations/NAME-SPLIT unless given. "
        "An earlier evaluation of the same data there is replaced, anything else is left alone.",
        group=OUTPUT,
    )
    pictures: bool = option(
        True, "Also draw the confusion matrix and what else shows the answers.", group=OUTPUT
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("data_dir", "source", "output_dir", "download_dir"):
            if getattr(self, name) == "":
                raise InputError(f"received an empty --{name}, expected a path; leave it out.")
        if self.source is not None:
            for name in ("data_dir", "split"):
                if getattr(self, name) is not None:
                    raise InputError(
                        f"received --source={self.source} with --{name}={getattr(self, name)}, "
                        "which is of a finished set, expected one of the two; drop the other."
                    )
        elif self.classes or self.on_bad_image != "fail":
            name = "classes" if self.classes else "on_bad_image"
            raise InputError(
                f"received --{name} without --source, expected both or none: what is in a finished "
                "set was settled when it was made."
            )


def main(config: EvaluateConfig) -> None:
    """Evaluates as `config` says; TensorFlow is imported when there is something to evaluate."""
    # Here, so that --help and a wrong flag do not wait for NumPy and scikit-learn.
    from trainer.asking.asked_data import AskedData, find_source, find_split
    from trainer.asking.evaluation_directory import choose_directory
    from trainer.model_description import load_description

    run_dir = Path(config.run_dir or "").expanduser()
    description = load_description(run_dir)
    data: AskedData
    if config.source is None:
        data = find_split(run_dir, config.data_dir, config.split or "test", description)
    else:
        skip = config.on_bad_image == "skip"
        data = find_source(config.source, config.classes, config.download_dir, skip, description)
    directory = choose_directory(config.output_dir, run_dir, data)
    keep_freed_memory()
    tensorflow_runtime.import_tensorflow()
    from trainer.asking.asked_model import load_asked_model
    from trainer.asking.evaluation import evaluate

    asked = load_asked_model(run_dir, config.precision, config.batch_size)
    report, pictures = evaluate(asked, data, directory, config.pictures)
    console.tell(f"{report.text}\n")
    for file in (directory / "report.json", *pictures):
        console.tell(str(file))


if __name__ == "__main__":
    command.run(main, EvaluateConfig)
