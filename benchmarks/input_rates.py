"""One rate of an input pipeline, measured in this process, which does nothing else.

usage: python -m benchmarks.input_rates NAME IMAGES DATA_DIR SECONDS

NAME is that of a function below, IMAGES a folder of class folders with the training images of the
set in DATA_DIR. Prints JSON: the "images" that came in about SECONDS, and the exact "seconds".
Before that, batches are taken for as long, and for at least a whole epoch, without being counted:
caches fill, functions are compiled, and tf.data's autotuning settles.

Each function imports what it measures: no rate waits for, or shares the machine with, the libraries
of another.
"""

import collections
import json
import math
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

IMAGE_SIZE, BATCH_SIZE = 96, 32
CORES = os.cpu_count() or 1
ENDLESS = 1_000_000  # epochs

# The tutorial's ranges, as Keras' ImageDataGenerator takes them.
GENERATOR = {
    "rotation_range": 20,
    "zoom_range": 0.15,
    "width_shift_range": 0.2,
    "height_shift_range": 0.2,
    "shear_range": 0.15,
    "horizontal_flip": True,
    "fill_mode": "nearest",
}

Counts = Iterator[int]  # how many images each batch has


def main() -> None:
    name, images, data_dir, seconds = sys.argv[1:]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    counts = RATES[name](Path(images), Path(data_dir))
    num_images = sum(1 for _ in Path(images).glob("*/*"))
    _take(counts, num_images, float(seconds))
    taken, elapsed = _take(counts, 0, float(seconds))
    print(json.dumps({"images": taken, "seconds": elapsed}), flush=True)
    for process in multiprocessing.active_children():
        process.terminate()
    # At once: dropping an autotuned iterator can block for a minute.
    os._exit(0)


def _take(counts: Counts, num_images: int, seconds: float) -> tuple[int, float]:
    """Takes batches until there are more than `num_images` and `seconds` have gone by."""
    taken, start = 0, time.perf_counter()
    while taken <= num_images or time.perf_counter() - start < seconds:
        taken += next(counts)
    return taken, time.perf_counter() - start


def bare_decoder(images: Path, data_dir: Path) -> Counts:
    import tensorflow as tf

    # The shape stands for the image: handing the pixels of each to Python would cost more than
    # their batches do below.
    shapes = _encoded(images).map(_decoded_shape, CORES, deterministic=False).batch(BATCH_SIZE)
    return map(len, shapes.prefetch(tf.data.AUTOTUNE))


def bare_decoder_in_batches(images: Path, data_dir: Path) -> Counts:
    import tensorflow as tf

    def decode(encoded: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(
            _decoded_shape, encoded, parallel_iterations=1, fn_output_signature=tf.int32
        )

    shapes = _encoded(images).batch(BATCH_SIZE).map(decode, CORES, deterministic=False)
    return map(len, shapes.prefetch(tf.data.AUTOTUNE))


def ours_decoding(images: Path, data_dir: Path) -> Counts:
    """Up to batches of uint8 images, which is where caching would begin."""
    from pipelines.loading.dataset import decoded_anew, fixed_parallelism
    from pipelines.loading.options import InputOptions
    from pipelines.loading.plan import plan_run
    from pipelines.tfrecords.manifest import open_dataset

    options = InputOptions(image_size=IMAGE_SIZE, batch_size=BATCH_SIZE, cache="none")
    plan = plan_run(open_dataset(data_dir), options, epochs=ENDLESS, seed=0)
    batches = decoded_anew(plan).prefetch(2).with_options(fixed_parallelism())
    return (len(batch["image"]) for batch in batches)


def ours_in_memory(images: Path, data_dir: Path) -> Counts:
    return _ours(data_dir, cache="memory")


def ours_from_shards(images: Path, data_dir: Path) -> Counts:
    return _ours(data_dir, cache="none")


def generator_in_memory(images: Path, data_dir: Path) -> Counts:
    return _lengths(_generated_in_memory(images))


def generator_in_memory_threads(images: Path, data_dir: Path) -> Counts:
    return _lengths(_by_threads(_generated_in_memory(images)))


def generator_from_files(images: Path, data_dir: Path) -> Counts:
    return _lengths(_generated_from_files(images))


def generator_from_files_threads(images: Path, data_dir: Path) -> Counts:
    return _lengths(_by_threads(_generated_from_files(images)))


def keras_layers_in_memory(images: Path, data_dir: Path) -> Counts:
    # Whole batches are shuffled, since the cache holds them: next to no work.
    return _with_keras_layers(keras_batches(images).cache().shuffle(1000))


def keras_layers_from_files(images: Path, data_dir: Path) -> Counts:
    return _with_keras_layers(keras_batches(images))


def pytorch_from_files(images: Path, data_dir: Path) -> Counts:
    loader = pytorch_loader(images, augmented=True, shuffle=True)
    for _ in range(ENDLESS):
        yield from _lengths(iter(loader))


RATES: dict[str, Callable[[Path, Path], Counts]] = {
    rate.__name__: rate
    for rate in (
        bare_decoder,
        bare_decoder_in_batches,
        ours_decoding,
        ours_in_memory,
        ours_from_shards,
        generator_in_memory,
        generator_in_memory_threads,
        generator_from_files,
        generator_from_files_threads,
        keras_layers_in_memory,
        keras_layers_from_files,
        pytorch_from_files,
    )
}


def _lengths(batches: Iterator[Any]) -> Counts:
    return (len(images) for images, _ in batches)


def _encoded(images: Path) -> Any:
    """The encoded images, held in memory, again and again."""
    import tensorflow as tf

    contents = [path.read_bytes() for path in sorted(images.glob("*/*"))]
    # As in the shards: the images of a class are of about one size.
    random.Random(0).shuffle(contents)
    return tf.data.Dataset.from_tensor_slices(contents).repeat()


def _decoded_shape(encoded: Any) -> Any:
    import tensorflow as tf

    return tf.shape(tf.io.decode_image(encoded, channels=3, expand_animations=False))


def _ours(data_dir: Path, **options: Any) -> Counts:
    from pipelines.loading.dataset import train_batches
    from pipelines.loading.options import InputOptions
    from pipelines.tfrecords.manifest import open_dataset

    chosen = InputOptions(image_size=IMAGE_SIZE, batch_size=BATCH_SIZE, threads=CORES, **options)
    batches = train_batches(open_dataset(data_dir), chosen, epochs=ENDLESS, seed=0)
    return _lengths(iter(batches))


def _generated_in_memory(images: Path) -> Any:
    import numpy as np
    import tensorflow as tf

    decoded = [(batch.numpy() / 255, labels.numpy()) for batch, labels in keras_batches(images)]
    arrays, labels = map(np.concatenate, zip(*decoded, strict=True))
    generator = tf.keras.preprocessing.image.ImageDataGenerator(**GENERATOR)
    return generator.flow(arrays, labels, batch_size=BATCH_SIZE)


def _generated_from_files(images: Path) -> Any:
    import tensorflow as tf

    generator = tf.keras.preprocessing.image.ImageDataGenerator(**GENERATOR, rescale=1 / 255)
    return generator.flow_from_directory(
        images,
        target_size=(IMAGE_SIZE, IMAGE_SIZE),
        interpolation="bilinear",
        class_mode="sparse",
        batch_size=BATCH_SIZE,
    )


def _by_threads(batches: Iterator[Any]) -> Iterator[Any]:
    """What Keras does for `workers`: a pool of threads, ten batches ahead, in their order."""
    pool = ThreadPool(CORES)
    ahead = collections.deque(pool.apply_async(next, (batches,)) for _ in range(10))
    while True:
        yield ahead.popleft().get()
        ahead.append(pool.apply_async(next, (batches,)))


def keras_batches(images: Path, **options: Any) -> Any:
    """Keras' data set of a folder of class folders: float32 batches with pixels in [0, 255]."""
    import keras

    return keras.utils.image_dataset_from_directory(
        images, image_size=(IMAGE_SIZE, IMAGE_SIZE), batch_size=BATCH_SIZE, verbose=False, **options
    )


def _with_keras_layers(batches: Any) -> Counts:
    import tensorflow as tf

    autotune = tf.data.AUTOTUNE
    augmented = batches.repeat().map(keras_augmentation(), num_parallel_calls=autotune)
    return _lengths(iter(augmented.prefetch(autotune)))


def keras_augmentation() -> Callable[[Any, Any], tuple]:
    """From images and labels to augmented images and labels, with Keras' random layers."""
    from keras import layers

    augmentation = [
        layers.RandomFlip("horizontal"),
        layers.RandomRotation(20 / 360, fill_mode="nearest"),
        layers.RandomTranslation(0.2, 0.2, fill_mode="nearest"),
        layers.RandomShear(math.tan(math.radians(0.15)), fill_mode="nearest"),
        layers.RandomZoom(0.15, 0.15, fill_mode="nearest"),
    ]

    def augment(images: Any, labels: Any) -> tuple:
        for layer in augmentation:
            images = layer(images, training=True)
        return images, labels

    return augment


def pytorch_loader(images: Path, augmented: bool, **options: Any) -> Any:
    """A DataLoader of float32 batches, a process a core, with torchvision's random changes or none.

    Args:
        images: A folder of class folders.
        augmented: Whether there are random changes.
        options: What the DataLoader takes besides.
    """
    import torch
    from torchvision.datasets import ImageFolder
    from torchvision.io import ImageReadMode, decode_image
    from torchvision.transforms import InterpolationMode, v2

    affine = v2.RandomAffine(
        degrees=20,
        translate=(0.2, 0.2),
        scale=(0.85, 1.15),
        shear=0.15,
        interpolation=InterpolationMode.BILINEAR,
    )
    transform = v2.Compose(
        [
            v2.Resize((IMAGE_SIZE, IMAGE_SIZE)),
            *((affine, v2.RandomHorizontalFlip()) if augmented else ()),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )
    return torch.utils.data.DataLoader(
        # Straight to a uint8 tensor, which torchvision advises: faster than by way of Pillow.
        ImageFolder(images, transform, loader=partial(decode_image, mode=ImageReadMode.RGB)),
        batch_size=BATCH_SIZE,
        num_workers=CORES,
        persistent_workers=True,
        **options,
    )


if __name__ == "__main__":
    main()
