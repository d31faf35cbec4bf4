"""Writes the model of a finished run in a format that others load, and checks what was written.

    python -m trainer.export --run_dir=runs/first --output=exports/first/1
    python -m trainer.export --run_dir=runs/first --format=onnx --output=first.onnx

saved_model  A directory for TensorFlow and TensorFlow Serving, which needs no code of this project.
             Signatures: serving_default, from images; encoded_images, from JPEG and PNG files to
             class names; class_names, the list of classes. TensorFlow Serving takes the directory
             above and wants a number as the name of this one: --output=models/caltech4/1.
keras        A .keras file for Keras 3.
litert       A .tflite file for LiteRT (TensorFlow Lite). Class names: unzip -p FILE labels.txt
onnx         An .onnx file for ONNX Runtime and others. Class names: its metadata, class_names.

All compute in float32 and take a batch of any size: float32 RGB images in [0, 1], (batch, size,
size, 3), stretched to the model's size (bilinear, without antialiasing) and rounded to whole
levels of 255, as in training. encoded_images does that itself. Like the graph that training reads
images with, it does not turn images by their EXIF orientation, drops an alpha channel, and
converts CMYK as libjpeg does; make_tfrecords normalises such pictures before training, so do the
same before asking. Bytes that are neither JPEG nor PNG are an error that names their place.

model.json, with classes, image size and origin, is in each: assets.extra/ of a SavedModel, a
member of the .keras and .tflite files (both ZIP archives, too), the metadata of an .onnx file.

The export answers up to 64 test images of the run's data before it is put in place. If any
probability differs by more than 0.0001 from the model's in float32, it is not.
"""

import dataclasses
from pathlib import Path

from pipelines.runtime import command, tensorflow_runtime
from pipelines.runtime.command import option
from pipelines.runtime.errors import InputError
from trainer.exporting.destination import check_output
from trainer.exporting.formats import FORMATS, check_packages, check_suffix
from trainer.model_description import load_description
from trainer.run_data import find_data

EXPORT, CHECK = "Export", "Check"


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """What is exported, and where to.

    Raises:
        InputError: when made without a run or an output, or with one of another format.
    """

    run_dir: str | None = option(
        None, "The directory of a finished run of trainer.main.", group=EXPORT
    )
    format: str = option("saved_model", "See above.", group=EXPORT, choices=tuple(FORMATS))
    output: str | None = option(
        None,
        "Where it is written to: a directory for saved_model, else a file in .keras, .tflite or "
        ".onnx.",
        group=EXPORT,
    )
    overwrite: bool = option(
        False, "Put it in the place of an earlier export; else that is refused.", group=EXPORT
    )
    data_dir: str | None = option(
        None,
        "A set of shards with images to check the export with; the run's own unless given.",
        group=CHECK,
    )

    def __post_init__(self) -> None:
        for name in ("run_dir", "output"):
            if not getattr(self, name):
                raise InputError(f"received no --{name}, expected one; add --{name}=PATH.")
        check_suffix(self.format, self.output or "")


def main(config: ExportConfig) -> None:
    """Exports as `config` says and prints what came of it."""
    check_packages(config.format)
    run_dir, output = Path(config.run_dir or "").expanduser(), config.output or ""
    dataset = find_data(run_dir, load_description(run_dir), config.data_dir)
    check_output(config.format, output, config.overwrite, dataset.directory)
    tensorflow_runtime.import_tensorflow()
    import tensorflow as tf

    from trainer.exporting.export import export

    # GPUs multiply float32 with fewer bits (TF32), too few for the comparison.
    tf.config.set_visible_devices([], "GPU")
    result = export(config.format, run_dir, output, dataset, config.overwrite)
    print(result.text, flush=True)


if __name__ == "__main__":
    command.run(main, ExportConfig)
