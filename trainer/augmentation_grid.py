"""A picture of what the augmentation does to one image."""

import io
import itertools
from collections.abc import Sequence

import matplotlib
import numpy as np
import tensorflow as tf

from pipelines.augmentation.augment import augment
from pipelines.augmentation.rng import draws_at, epoch_key
from pipelines.loading.dataset import eval_batches
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.verification import damage_named
from trainer.input_config import InputConfig
from trainer.inputs import checked_dataset, prepare_inputs

matplotlib.use("Agg")  # No window: the figure goes to a file, also where there is no screen.
from matplotlib import pyplot  # noqa: E402

DRAWS, COLUMNS = 24, 5


def draw_augmentations(config: InputConfig, number: int) -> bytes:
    """One image as it is, and under the draws of the first 24 pairs of positions of epoch 0.

    Args:
        config: What is read, and how far the augmentation goes.
        number: Of the training image, from 0; where examples are mixed, those after it are its
            partners.

    Returns:
        A PNG.

    Raises:
        InputError: if there is no such image.
    """
    images, labels, classes = _images(config, number)
    as_it_is = images[0] / 255.0
    shown = [as_it_is] * DRAWS
    if config.ranges is not None:
        # A pair for each draw: the image first, and the partner with which it would be mixed.
        others = 1 + np.arange(DRAWS) % (len(images) - 1)
        pairs = np.stack([np.zeros(DRAWS, int), others], axis=1).reshape(-1)
        draws = draws_at(epoch_key(config.seed, 0), 0, 2 * DRAWS)
        in_pairs = tf.constant(images[pairs]), tf.constant(labels[pairs])
        changed, _ = augment(*in_pairs, draws, config.ranges, len(classes))
        shown = list(changed.numpy()[::2])
    title = f"{classes[labels[0]]}: as it is, and under {DRAWS} draws"
    return _grid([as_it_is, *shown], title)


def _images(config: InputConfig, number: int) -> tuple[np.ndarray, np.ndarray, Sequence[str]]:
    """Some training images from `number` on, uint8 (n, size, size, 3), labels and class names."""
    dataset = checked_dataset(config)
    manifest = dataset.manifest
    count = manifest.splits["train"].num_examples
    if number >= count:
        raise InputError(
            f"received --image={number}, expected less than the {count} training images of "
            f"{config.data_dir}."
        )
    inputs = prepare_inputs(config, dataset, for_training=False)
    with damage_named(inputs.dataset.directory):
        batches = eval_batches(inputs.dataset, "train", inputs.options)
        examples = batches.unbatch().take(count)
        wanted = list(itertools.islice(examples.repeat().skip(number), DRAWS + 1))
    pixels = np.stack([np.rint(255 * image.numpy()) for image, _, _ in wanted]).astype(np.uint8)
    labels = np.array([int(label) for _, label, _ in wanted])
    return pixels, labels, manifest.class_names


def _grid(images: list[np.ndarray], title: str) -> bytes:
    rows = -(-len(images) // COLUMNS)
    figure, axes = pyplot.subplots(
        rows, COLUMNS, figsize=(1.3 * COLUMNS, 1.3 * rows + 0.4), layout="constrained"
    )
    try:
        for axis, image in zip(axes.flat, images, strict=True):
            axis.imshow(np.clip(image, 0, 1))
            axis.set(xticks=[], yticks=[])
        axes.flat[0].spines[:].set(color="C1", linewidth=2)
        figure.suptitle(title, fontsize=11)
        stream = io.BytesIO()
        figure.savefig(stream, dpi=150, format="png")
        return stream.getvalue()
    finally:
        pyplot.close(figure)
