"""MixUp and CutMix against loops in NumPy, their weights against SciPy's Beta distribution."""

import math

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from pipelines.augmentation.config import Augmentation
from pipelines.augmentation.mixup import beta_symmetric, cutmix_boxes, mix
from pipelines.augmentation.rng import DRAWS_PER_EXAMPLE, Draw, neutral
from pipelines.runtime.errors import InputError

CLASSES = 4
MIXUP, CUTMIX = Augmentation(mixup=0.4), Augmentation(cutmix=1.0)
BOTH = Augmentation(mixup=0.4, cutmix=1.0)


def random_batch(count=64, height=20, width=30, seed=1):
    rng = np.random.default_rng(seed)
    return (
        rng.random((count, height, width, 3), dtype=np.float32),
        rng.integers(0, CLASSES, count),
        rng.random((count, DRAWS_PER_EXAMPLE), dtype=np.float32),
    )


def weight_by_hand(draws, alpha):
    """Bailey's formula as published, for which alpha must not be small."""
    u, v = float(draws[Draw.MIX_RADIUS]), float(draws[Draw.MIX_ANGLE])
    t = math.sqrt(2 * alpha * (u ** (-1 / alpha) - 1)) * math.cos(2 * math.pi * v)
    return 0.5 + t / (2 * math.sqrt(2 * alpha + t * t))


def mixed_by_hand(images, labels, draws, augmentation):
    height, width = images.shape[1:3]
    results, shares = images.copy(), np.zeros((len(images), CLASSES))
    for i, row in enumerate(draws):
        partner = i + 1 if i % 2 == 0 else i - 1
        is_mixup = row[Draw.MIX_KIND] < 0.5 if augmentation.cutmix else True
        if augmentation.mixup and is_mixup:
            own = weight_by_hand(row, augmentation.mixup)
            results[i] = own * images[i] + (1 - own) * images[partner]
        else:
            side = math.sqrt(1 - weight_by_hand(row, augmentation.cutmix))
            tall, wide = int(height * side), int(width * side)
            top = int(height * float(row[Draw.MIX_Y])) - tall // 2
            left = int(width * float(row[Draw.MIX_X])) - wide // 2
            box = (
                slice(max(top, 0), min(top + tall, height)),
                slice(max(left, 0), min(left + wide, width)),
            )
            results[i][box] = images[partner][box]
            own = 1 - results[i][box].shape[0] * results[i][box].shape[1] / (height * width)
        shares[i, labels[i]] += own
        shares[i, labels[partner]] += 1 - own
    return results, shares


@pytest.mark.parametrize("augmentation", [MIXUP, CUTMIX, BOTH], ids=["mixup", "cutmix", "both"])
def test_mixing_equals_a_loop_over_examples(augmentation):
    images, labels, draws = random_batch()
    if augmentation is CUTMIX:
        draws[:, Draw.MIX_KIND] = 0.0  # with one of them on, this draw must not matter
    mixed, soft = mix(tf.constant(images), tf.constant(labels), draws, augmentation, CLASSES)
    expected_images, expected_labels = mixed_by_hand(images, labels, draws, augmentation)
    np.testing.assert_allclose(mixed, expected_images, atol=1e-5)
    np.testing.assert_allclose(soft, expected_labels, atol=1e-6)
    assert soft.dtype == tf.float32
    np.testing.assert_allclose(np.sum(soft, axis=1), 1.0, atol=1e-6)


def test_with_both_on_half_of_the_examples_are_of_each_kind():
    images, labels, draws = random_batch(count=2000, height=8, width=8)
    mixed = mix(images, labels, draws, BOTH, CLASSES)[0].numpy()
    pasted = mix(images, labels, draws, CUTMIX, CLASSES)[0].numpy()
    is_cutmix = np.all(mixed == pasted, axis=(1, 2, 3))
    assert abs(is_cutmix.mean() - 0.5) < 0.03


@pytest.mark.parametrize("alpha", [0.2, 0.4, 1.0, 2.0, 8.0])
def test_weights_are_beta_distributed(alpha):
    u, v = np.random.default_rng(3).random((2, 50000))
    weights = beta_symmetric(tf.constant(u), tf.constant(v), alpha).numpy()
    assert stats.kstest(weights, stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_weights_of_a_small_alpha_are_beta_distributed():
    """Away from 0 and 1, where float64 cannot tell the values apart."""
    u, v = np.random.default_rng(4).random((2, 100000))
    weights = beta_symmetric(tf.constant(u), tf.constant(v), 0.05).numpy()
    for point in (1e-6, 0.01, 0.3, 0.5, 0.8, 0.999):
        expected = stats.beta(0.05, 0.05).cdf(point)
        assert abs(np.mean(weights <= point) - expected) < 0.006


@pytest.mark.parametrize("alpha", [1e-320, 1e-9, 0.05, 1.0, 1e9])
def test_weights_stay_finite(alpha):
    draws = tf.constant([0.0, 2.0**-23, 0.25, 0.5, 0.75, 1.0 - 2.0**-23], tf.float64)
    u, v = tf.meshgrid(draws, draws)
    for run in (lambda function: function, tf.function(jit_compile=True)):
        weights = run(lambda u, v: beta_symmetric(u, v, alpha))(u, v).numpy()
        assert np.all((weights >= 0) & (weights <= 1))
        assert weights[0, 0] == 1.0


@pytest.mark.parametrize("augmentation", [MIXUP, CUTMIX, BOTH], ids=["mixup", "cutmix", "both"])
def test_neutral_draws_mix_nothing(augmentation):
    images, labels, draws = random_batch()
    mixed, soft = mix(images, labels, neutral(draws), augmentation, CLASSES)
    np.testing.assert_array_equal(mixed, images)
    np.testing.assert_array_equal(soft, np.eye(CLASSES)[labels])


def test_boxes_are_centred_anywhere_and_cut_at_the_border():
    draws = np.random.default_rng(5).random((20000, DRAWS_PER_EXAMPLE), dtype=np.float32)
    top, left, bottom, right = (edge.numpy() for edge in cutmix_boxes(draws, 1.0, 40, 60))
    for low, high, size in ((top, bottom, 40), (left, right, 60)):
        assert low.min() == 0
        assert high.max() == size
        assert np.all(low <= high)
        small = (high - low < size // 3) & (low > 0) & (high < size)
        middles = np.unique((low + high)[small] // 2)
        assert len(middles) > 0.8 * size


def test_the_division_into_batches_changes_nothing():
    images, labels, draws = random_batch(count=12)
    whole = mix(images, labels, draws, BOTH, CLASSES)
    for size in (2, 4, 6):
        parts = [
            mix(*(column[i : i + size] for column in (images, labels, draws)), BOTH, CLASSES)
            for i in range(0, 12, size)
        ]
        for result, pieces in zip(whole, zip(*parts, strict=True), strict=True):
            np.testing.assert_array_equal(result, np.concatenate(pieces))


def test_an_odd_batch_is_refused():
    with pytest.raises(InputError) as caught:
        mix(*random_batch(count=5), BOTH, CLASSES)
    assert "received a batch of 5 examples, expected an even number" in str(caught.value)


def test_compiled_boxes_have_the_same_edges():
    draws = tf.constant(random_batch(count=20000, height=1, width=1)[2])
    compiled = tf.function(lambda draws: cutmix_boxes(draws, 0.3, 96, 97), jit_compile=True)
    np.testing.assert_array_equal(compiled(draws), cutmix_boxes(draws, 0.3, 96, 97))
