"""The whole augmentation: its order, its batches, compiled and not."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from pipelines.augmentation.affine import affine, affine_parameters
from pipelines.augmentation.augment import augment, compiled_augment
from pipelines.augmentation.color import blur, erase, jitter_color
from pipelines.augmentation.config import Augmentation
from pipelines.augmentation.mixup import mix
from pipelines.augmentation.rng import Draw, draws_at, epoch_key, neutral
from pipelines.runtime.errors import InputError

CLASSES = 4
COUNT = 24
RUNS = ["plain", "compiled"]
NOTHING = Augmentation(
    rotation=0, width_shift=0, height_shift=0, shear=0, zoom=0, horizontal_flip=False
)
EVERYTHING = Augmentation(
    aspect_jitter=0.3,
    border_crop=0.1,
    black_fill=0.5,
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
    hue=0.1,
    greyscale=0.2,
    blur=1.5,
    erasing=0.5,
    mixup=0.4,
    cutmix=1.0,
)
UNMIXED = dataclasses.replace(EVERYTHING, mixup=0.0, cutmix=0.0)


def random_batch(size, count=COUNT):
    rng = np.random.default_rng(size)
    images = rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    # Grey areas, pure colours and a black border: ties and zeros in every formula.
    images[0], images[1], images[2, :3] = 128, [255, 0, 0], 0
    return (
        tf.constant(images),
        tf.constant(rng.integers(0, CLASSES, count), tf.int64),
        draws_at(epoch_key(1, size), 0, count),
    )


def plain_augment(augmentation, num_classes):
    return lambda *batch: augment(*batch, augmentation, num_classes)


def in_parts(function, batch, size):
    parts = [function(*(column[i : i + size] for column in batch)) for i in range(0, COUNT, size)]
    return [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]


@pytest.mark.parametrize("size", [16, 96, 97])
def test_compiled_results_do_not_depend_on_the_batch_size(size):
    batch, compiled = random_batch(size), compiled_augment(EVERYTHING, CLASSES)
    images, labels = compiled(*batch)
    for part in (2, 4, 6, 8, 12):
        part_images, part_labels = in_parts(compiled, batch, part)
        np.testing.assert_array_equal(part_images, images)
        np.testing.assert_array_equal(part_labels, labels)


@pytest.mark.parametrize("augmentation", [Augmentation(), UNMIXED], ids=["tutorial", "unmixed"])
def test_compiled_results_do_not_depend_on_odd_batch_sizes(augmentation):
    batch, compiled = random_batch(97), compiled_augment(augmentation, CLASSES)
    images, labels = compiled(*batch)
    for part in (1, 3, 5):
        part_images, part_labels = in_parts(compiled, batch, part)
        np.testing.assert_array_equal(part_images, images)
        np.testing.assert_array_equal(part_labels, labels)


@pytest.mark.parametrize("size", [16, 96, 97])
def test_compiled_results_are_those_of_the_plain_function(size):
    batch = random_batch(size)
    images, labels = augment(*batch, EVERYTHING, CLASSES)
    as_one = tf.function(plain_augment(EVERYTHING, CLASSES), jit_compile=True, autograph=False)
    for function in (compiled_augment(EVERYTHING, CLASSES), as_one):
        compiled_images, compiled_labels = function(*batch)
        np.testing.assert_allclose(compiled_images, images, atol=1e-5)
        np.testing.assert_allclose(compiled_labels, labels, atol=1e-6)


@pytest.mark.parametrize(
    ("run", "tolerance"), [(plain_augment, 1e-5), (compiled_augment, 0.0)], ids=RUNS
)
def test_results_are_the_same_inside_tf_data(run, tolerance):
    """Up to what the rewriting of a graph, before it runs, does to the plain operations."""
    batch, function = random_batch(16), run(EVERYTHING, CLASSES)
    dataset = tf.data.Dataset.from_tensor_slices(batch).batch(8, drop_remainder=True)
    parts = list(dataset.map(function, num_parallel_calls=2, deterministic=True))
    images, labels = (np.concatenate(pieces) for pieces in zip(*parts, strict=True))
    expected_images, expected_labels = function(*batch)
    np.testing.assert_allclose(images, expected_images, atol=tolerance, rtol=0)
    np.testing.assert_allclose(labels, expected_labels, atol=tolerance, rtol=0)


def test_the_stages_in_order():
    images, labels, draws = random_batch(32)
    black = draws[:, Draw.FILL] < 0.5
    expected = affine(images, affine_parameters(draws, EVERYTHING, 32, 32), black) / 255.0
    expected = jitter_color(expected, draws, EVERYTHING)
    expected = erase(blur(expected, draws, 1.5), draws, 0.5)
    expected, expected_labels = mix(expected, labels, draws, EVERYTHING, CLASSES)
    result, result_labels = augment(images, labels, draws, EVERYTHING, CLASSES)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    np.testing.assert_array_equal(result_labels, expected_labels)


@pytest.mark.parametrize("run", [plain_augment, compiled_augment], ids=RUNS)
def test_nothing_on_only_scales(run):
    images, labels, draws = random_batch(16)
    result, result_labels = run(NOTHING, CLASSES)(images, labels, draws)
    np.testing.assert_allclose(result, images.numpy() / 255, atol=1e-7)
    np.testing.assert_array_equal(result_labels, labels)
    assert (result.dtype, result_labels.dtype) == (tf.float32, tf.int64)


@pytest.mark.parametrize(
    ("augmentation", "kind"),
    [
        (Augmentation(), "GatherV2"),
        (dataclasses.replace(NOTHING, contrast=0.1), "Sum"),
        (dataclasses.replace(NOTHING, erasing=0.1), "Sum"),
        (dataclasses.replace(NOTHING, mixup=0.1), "OneHot"),
        (dataclasses.replace(NOTHING, cutmix=0.1), "OneHot"),
    ],
    ids=["warp", "colour", "erasing", "mixup", "cutmix"],
)
def test_what_is_off_costs_nothing(augmentation, kind):
    def operations(augmentation):
        function = tf.function(plain_augment(augmentation, CLASSES), autograph=False)
        graph = function.get_concrete_function(*random_batch(16)).graph
        return {operation.type for operation in graph.get_operations()}

    assert operations(NOTHING) <= {"Placeholder", "Cast", "Const", "Mul", "Identity"}
    assert kind in operations(augmentation)


@pytest.mark.parametrize("size", [16, 97])
def test_neutral_draws_only_mirror(size):
    images, labels, draws = random_batch(size)
    certain = dataclasses.replace(EVERYTHING, erasing=1.0)
    result, soft = compiled_augment(certain, CLASSES)(images, labels, neutral(draws))
    flipped = draws.numpy()[:, Draw.FLIP, None, None, None] < 0.5
    expected = np.where(flipped, images[:, :, ::-1], images) / 255
    assert 0 < flipped.mean() < 1
    np.testing.assert_allclose(result, expected, atol=1e-5)
    np.testing.assert_array_equal(soft, np.eye(CLASSES)[labels])


def test_one_stage_more_leaves_the_draws_of_the_others_alone():
    images, labels, draws = random_batch(32)
    warped = augment(images, labels, draws, Augmentation(), CLASSES)[0].numpy()
    with_erasing = dataclasses.replace(Augmentation(), erasing=1.0)
    erased = augment(images, labels, draws, with_erasing, CLASSES)[0].numpy()
    untouched = np.mean(np.all(erased == warped, axis=-1), axis=(1, 2))[2:]
    assert 0.6 < untouched.min() < untouched.max() < 1.0


def test_an_odd_batch_cannot_be_mixed():
    batch = [column[:5] for column in random_batch(16)]
    with pytest.raises(InputError) as caught:
        compiled_augment(EVERYTHING, CLASSES)(*batch)
    assert "received a batch of 5 examples" in str(caught.value)
    result, _ = compiled_augment(UNMIXED, CLASSES)(*batch)
    assert result.shape == (5, 16, 16, 3)
