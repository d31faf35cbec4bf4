"""A batch as the model sees it in training."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from pipelines.runtime.drawing import INK
from trainer.summaries.contact_sheet import MAX_TILES, Tile, draw_sheet


def draw_batch(
    batch: Any, title: str, class_names: Sequence[str], augment: Callable | None
) -> Image.Image:
    """Draws the first examples of a replica's batch.

    Args:
        batch: (images, labels) or (images, labels, draws), of one replica and one step.
        title: Stands above.
        class_names: In label order.
        augment: From (images, labels, draws) to (images, labels), where the device does that.
    """
    # An even number of them, since neighbours are mixed.
    first = [tensor[: MAX_TILES + MAX_TILES % 2] for tensor in batch]
    with tf.device("/device:CPU:0"):
        images, labels = first if augment is None else augment(*first)
    pixels = np.clip(np.rint(255 * images.numpy()), 0, 255).astype(np.uint8)
    if pixels.shape[1] == 3 != pixels.shape[-1]:
        pixels = pixels.transpose(0, 2, 3, 1)  # channels first
    tiles = [
        Tile(image, [(line, INK) for line in _caption(label, class_names)])
        for image, label in zip(pixels, labels.numpy(), strict=True)
    ]
    return draw_sheet(title, tiles)


def _caption(label: np.ndarray, class_names: Sequence[str]) -> list[str]:
    """The class, or the two of a mixed example, each with its share."""
    if label.ndim == 0:
        return [class_names[int(label)]]
    first, second = np.argsort(-label, kind="stable")[:2]
    shares = [(n, label[n]) for n in (first, second) if round(100 * float(label[n]))]
    return [f"{share:.0%} {class_names[number]}" for number, share in shares]
