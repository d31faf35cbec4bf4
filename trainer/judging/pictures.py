"""The pictures of how good a model is on some examples."""

from pathlib import Path

import keras

from trainer.judging.confusion_picture import write_confusion_matrix
from trainer.judging.grad_cam_picture import write_grad_cam
from trainer.judging.judged import Judged
from trainer.judging.misclassified_picture import write_misclassified
from trainer.judging.reliability_picture import write_reliability

CONFUSION_MATRIX, MISCLASSIFIED = "confusion_matrix.png", "misclassified.png"
RELIABILITY, GRAD_CAM = "reliability.png", "grad_cam.png"
PICTURE_NAMES = (CONFUSION_MATRIX, MISCLASSIFIED, RELIABILITY, GRAD_CAM)


def write_pictures(directory: Path, judged: Judged, model: keras.Model) -> list[Path]:
    """Writes confusion_matrix.png, misclassified.png, reliability.png and grad_cam.png.

    Args:
        directory: An existing one.
        judged: The model's answers, at least one.
        model: From images in [0, 1] to class probabilities. Without a convolution there is no
            grad_cam.png.

    Returns:
        The files that were written, each whole.

    Raises:
        OSError: if they cannot be written.
        InputError: if an image that is to be shown cannot be read.
    """
    paths = [directory / name for name in PICTURE_NAMES]
    confusion, misclassified, reliability, grad_cam = paths
    write_confusion_matrix(confusion, judged)
    write_misclassified(misclassified, judged)
    write_reliability(reliability, judged)
    has_grad_cam = write_grad_cam(grad_cam, judged, model)
    return [confusion, misclassified, reliability] + [grad_cam] * has_grad_cam
