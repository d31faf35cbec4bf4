"""grad_cam.png: where a model looks, in some images of each class that it got right and wrong."""

from pathlib import Path

import keras
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from trainer.judging import drawing
from trainer.judging.grad_cam import activation_maps
from trainer.judging.judged import Judged
from trainer.judging.names import drawable, fitted

MOST_CLASSES, PER_CLASS, MOST_WRONG = 8, 4, 2

_COLOURS = matplotlib.colormaps["inferno"]
_MARGIN, _TITLE, _NAME, _CAPTION, _GAP = 0.1, 0.55, 0.2, 0.2, 0.16  # inches
_SIDE = (drawing.PAGE_WIDTH - 2 * _MARGIN - (PER_CLASS - 1) * _GAP) / PER_CLASS / 2 - 0.01
_ROW = _NAME + _SIDE + _CAPTION


def write_grad_cam(path: Path, judged: Judged, model: keras.Model) -> bool:
    """Draws images beside where what speaks for the predicted class is, a row for each class.

    Returns:
        Whether there is a picture: not for a model without a convolution.

    Raises:
        OSError: if it cannot be written.
        InputError: if an image cannot be read.
    """
    rows = rows_of(judged)
    numbers = np.concatenate(list(rows.values()))
    images = judged.examples.images(numbers.tolist())
    maps = activation_maps(model, images, judged.predictions.predicted[numbers])
    if maps is None:
        return False
    shown = {
        int(number): (image, _overlaid(image, heat))
        for number, image, heat in zip(numbers, images, maps, strict=True)
    }
    height = 2 * _MARGIN + _TITLE + len(rows) * _ROW
    with drawing.picture(path, drawing.PAGE_WIDTH, height) as figure:
        axes = drawing.page(figure)
        _draw_title(axes, judged, len(rows))
        for row, (label, of_class) in enumerate(rows.items()):
            top = _MARGIN + _TITLE + row * _ROW
            _draw_row(axes, judged, label, {int(n): shown[int(n)] for n in of_class}, top)
    return True


def rows_of(judged: Judged) -> dict[int, np.ndarray]:
    """Class -> numbers of the examples shown: right ones, then its most confident mistakes.

    Of more than `MOST_CLASSES`, those with the most mistakes; none for a class without examples.
    """
    labels, wrong = judged.predictions.labels, judged.wrong
    support = np.bincount(labels, minlength=len(judged.class_names))
    mistakes = np.bincount(labels[wrong], minlength=len(judged.class_names))
    order = np.lexsort((-support, -mistakes))
    chosen = sorted([label for label in order if support[label]][:MOST_CLASSES])
    return {int(label): _chosen_of(judged, label) for label in chosen}


def _chosen_of(judged: Judged, label: int) -> np.ndarray:
    predictions, wrong = judged.predictions, judged.wrong
    wrong = wrong[predictions.labels[wrong] == label]
    (right,) = np.nonzero((predictions.labels == label) & (predictions.predicted == label))
    num_wrong = max(min(MOST_WRONG, len(wrong)), PER_CLASS - len(right))
    num_right = min(PER_CLASS - min(num_wrong, len(wrong)), len(right))
    # Those in the middle of equal parts of the class.
    places = (np.arange(num_right) + 0.5) * len(right) / max(num_right, 1)
    return np.concatenate([right[places.astype(int)], wrong[:num_wrong]])


def _overlaid(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """float (size, size, 3): the image in grey under the heat."""
    size = image.shape[:2][::-1]
    smooth = np.asarray(Image.fromarray(heat).resize(size, Image.Resampling.BILINEAR))
    grey = np.asarray(Image.fromarray(image).convert("L"), np.float32)[..., None] / 255
    return 0.45 * grey + 0.55 * _COLOURS(smooth)[..., :3]


def _draw_title(axes: Axes, judged: Judged, rows: int) -> None:
    width = drawing.PAGE_WIDTH - 2 * _MARGIN
    title = f"{judged.data_name}, {judged.split}: where the model sees its answer (Grad-CAM)"
    if rows < len(judged.class_names):
        title += f", {rows} of {len(judged.class_names):,} classes"
    size = drawing.TITLE_SIZE
    axes.text(_MARGIN, _MARGIN, fitted(title, width * drawing.POINTS, size), size=size, va="top")
    top, bar = _MARGIN + 0.27, 1.2
    size = drawing.SMALL_SIZE
    axes.text(_MARGIN, top + 0.05, "speaks for the predicted class: not", size=size, va="center")
    left = _MARGIN + 1.62
    colours = _COLOURS(np.linspace(0, 1, 128))[None, :, :3]
    axes.imshow(colours, extent=(left, left + bar, top + 0.1, top), aspect="auto")
    axes.text(left + bar + 0.06, top + 0.05, "most in this image", size=size, va="center")


def _draw_row(
    axes: Axes,
    judged: Judged,
    label: int,
    images: dict[int, tuple[np.ndarray, np.ndarray]],
    top: float,
) -> None:
    predictions, names = judged.predictions, judged.class_names
    name = fitted(names[label], 4 * drawing.POINTS, drawing.TEXT_SIZE)
    axes.text(_MARGIN, top + _NAME - 0.04, name, size=drawing.TEXT_SIZE, va="bottom")
    for column, (number, (image, overlaid)) in enumerate(images.items()):
        left = _MARGIN + column * (2 * _SIDE + 0.02 + _GAP)
        drawing.place_image(axes, image, left, top + _NAME, _SIDE)
        drawing.place_image(axes, overlaid, left + _SIDE + 0.02, top + _NAME, _SIDE)
        predicted = predictions.predicted[number]
        is_right = predicted == label
        confidence = f"{predictions.confidence[number]:.1%}"
        text = (
            f"{confidence} right"
            if is_right
            else f"{confidence} taken for {drawable(names[predicted])}"
        )
        axes.text(
            left,
            top + _NAME + _SIDE + 0.04,
            fitted(text, 2 * _SIDE * drawing.POINTS, drawing.SMALL_SIZE),
            size=drawing.SMALL_SIZE,
            color=drawing.INK if is_right else drawing.VERMILION,
            va="top",
        )
