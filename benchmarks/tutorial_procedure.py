"""The tutorial's procedure as it was, in Keras 3: one script, from image files to a report.

usage: python -m benchmarks.tutorial_procedure --source=FOLDER_OF_CLASS_FOLDERS

After the training script of Adrian Rosebrock, "Keras Conv2D and Convolutional Layers"
(PyImageSearch, 2018). It reads all images into one list, makes it one float64 array, divides it,
and trains StridedNet in float32 with `fit` on batches of Keras' ImageDataGenerator, evaluating the
test part after each epoch; then it predicts, reports and draws the curves. The last line that it
prints is JSON: the time and accuracy of each epoch, in seconds from the beginning, imports
included, and the figures of the report.

What is not as it was:

- Pillow stands for OpenCV: it reads RGB where OpenCV reads BGR, and interpolates in the same way
  (bilinear, not antialiased), but cuts off what OpenCV rounds.
- Paths are sorted, and the split is stratified by class names, not by their one-hot rows, whose
  order is another one: so the test images are those of `pipelines.make_tfrecords`.
- `decay` of the optimizer is `InverseTimeDecay`, `fit_generator` is `fit`. Where an epoch of
  len(train) // 32 steps leaves a smaller batch, the next epoch begins with it, as in the Keras of
  2018; today's Keras would end that epoch there, after one step. So it gets the batches as a
  generator. They are made by one thread ahead of the steps, then and now.
- There is a seed, for everything that is drawn.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

CLASSES = ("Faces", "Leopards", "Motorbikes", "airplanes")
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
SIZE, BATCH_SIZE = 96, 32


def main() -> None:
    began, start = time.time(), time.perf_counter()
    options = _options()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    epochs: list[dict[str, float]] = []

    def note(epoch: int, logs: dict[str, float]) -> None:
        seconds = time.perf_counter() - start
        epochs.append({"seconds": seconds, "accuracy": logs["val_accuracy"]})

    result = _procedure(options, note)
    seconds = time.perf_counter() - start
    print(json.dumps({"began": began, "seconds": seconds, "epochs": epochs, **result}))


def _procedure(options: argparse.Namespace, on_epoch_end: Callable[..., None]) -> dict[str, Any]:
    """Reads, trains and tells; gives the figures of the report."""
    paths = image_paths(options.source, options.classes)
    import keras
    import numpy as np
    from sklearn.preprocessing import LabelBinarizer

    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(options.seed)
    names = [path.parent.name for path in paths]
    # It stays in memory beside its parts, as it did.
    data = np.array([_read(path) for path in paths], dtype="float64") / 255.0
    binarizer = LabelBinarizer()
    labels = binarizer.fit_transform(names)
    train_x, test_x, train_y, test_y = divided(names, data, labels)
    model = _compiled(len(binarizer.classes_), options.epochs)
    trained = model.fit(
        _batches(train_x, train_y),
        validation_data=(test_x, test_y),
        steps_per_epoch=len(train_x) // BATCH_SIZE,
        epochs=options.epochs,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=on_epoch_end)],
        verbose=2,
    )
    predictions = model.predict(test_x, batch_size=BATCH_SIZE, verbose=0)
    result = _report(test_y.argmax(axis=1), predictions.argmax(axis=1), binarizer.classes_)
    _draw(trained.history, options.plot)
    return {"steps": int(model.optimizer.iterations), **result}


def image_paths(source: Path, classes: Sequence[str]) -> list[Path]:
    """The images of these classes, sorted by name; ends the program if one has none."""
    paths = []
    for name in classes:
        found = [p for p in (source / name).glob("*") if p.suffix.lower() in SUFFIXES]
        if not found:
            sys.exit(
                f"received --source={source} without images of the class {name}, expected a folder "
                "of class folders; change it or --classes."
            )
        paths += found
    return sorted(paths, key=str)


def divided(names: Sequence[str], *arrays: Any) -> list[Any]:
    """The training and the test part of each array, given the class of each element."""
    from sklearn.model_selection import train_test_split

    return train_test_split(*arrays, test_size=0.25, stratify=names, random_state=42)


def _read(path: Path) -> Any:
    """uint8 (96, 96, 3)."""
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        image = image.convert("RGB")
    box = (0, 0, *image.size)
    # `resize` would antialias, which OpenCV's does not.
    extent, bilinear = Image.Transform.EXTENT, Image.Resampling.BILINEAR
    return np.asarray(image.transform((SIZE, SIZE), extent, box, bilinear))


def _batches(images: Any, labels: Any) -> Any:
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    generator = ImageDataGenerator(
        rotation_range=20,
        zoom_range=0.15,
        width_shift_range=0.2,
        height_shift_range=0.2,
        shear_range=0.15,
        horizontal_flip=True,
        fill_mode="nearest",
    )
    # A generator, which `fit` takes for endless.
    return (batch for batch in generator.flow(images, labels, batch_size=BATCH_SIZE))


def _compiled(classes: int, epochs: int) -> Any:
    import keras

    from model.strided_net import build_strided_net

    rate = keras.optimizers.schedules.InverseTimeDecay(1e-4, 1, decay_rate=1e-4 / epochs)
    model = build_strided_net(SIZE, SIZE, 3, classes, reg=keras.regularizers.L2(0.0005))
    model.compile(
        loss="categorical_crossentropy",
        optimizer=keras.optimizers.Adam(rate),
        metrics=["accuracy"],
    )
    return model


def _report(labels: Any, predicted: Any, classes: Sequence[str]) -> dict[str, Any]:
    """Prints the classification report; gives its figures."""
    from sklearn.metrics import classification_report

    form = {"target_names": classes, "zero_division": 0}
    print(classification_report(labels, predicted, **form))
    figures = classification_report(labels, predicted, **form, output_dict=True)
    return {
        "accuracy": figures["accuracy"],
        "recall": {name: figures[name]["recall"] for name in classes},
        "macro_f1": figures["macro avg"]["f1-score"],
    }


def _draw(history: dict[str, list[float]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.style.use("ggplot")
    pyplot.figure()
    for name in ("loss", "val_loss", "accuracy", "val_accuracy"):
        pyplot.plot(history[name], label=name)
    pyplot.title("Training Loss and Accuracy on Dataset")
    pyplot.xlabel("Epoch #")
    pyplot.ylabel("Loss/Accuracy")
    pyplot.legend(loc="lower left")
    pyplot.savefig(path)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--source", type=Path, required=True, help="a folder of class folders")
    parser.add_argument("--classes", default=",".join(CLASSES), help="class folders, with commas")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", type=Path, default=Path("plot.png"), help="file of the curves")
    options = parser.parse_args()
    options.classes = options.classes.split(",")
    if len(set(options.classes)) < 3:
        sys.exit(
            f"received --classes={','.join(options.classes)}, expected three or more: "
            "LabelBinarizer has one column for two."
        )
    if options.epochs < 1:
        sys.exit(f"received --epochs={options.epochs}, expected at least 1.")
    return options


if __name__ == "__main__":
    main()
