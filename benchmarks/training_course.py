"""The recipe that our trainer and its peers train with, and the lines that a peer prints."""

import math

PEAK_RATE, WARMUP_FRACTION = 2e-3, 0.07  # of Adam; linear warm-up, then a cosine to 0
BATCH_NORM_MOMENTUM = 0.9  # share of the old value that moving statistics keep in a step
# The same as the trainer's flags; the ranges are the tutorial's.
OURS = {
    "batch_size": 32,
    "optimizer": "adam",
    "learning_rate": PEAK_RATE,
    "schedule": "cosine",
    "warmup_fraction": WARMUP_FRACTION,
    "batch_norm_momentum": BATCH_NORM_MOMENTUM,
    "rotation": 20,
    "width_shift": 0.2,
    "height_shift": 0.2,
    "zoom": 0.15,
    "unwarped_fraction": 0.0,  # the peers' images are warped to the end, too
}


def warmup_steps(total_steps: int) -> int:
    """Steps of the warm-up, of a run of at least two steps."""
    return max(1, round(WARMUP_FRACTION * total_steps))


def share_of_peak(step: int, total_steps: int) -> float:
    """The learning rate of a step, counted from 0, as a share of `PEAK_RATE`."""
    warmup = warmup_steps(total_steps)
    if step < warmup:
        return step / warmup
    return (1 + math.cos(math.pi * min(1, (step - warmup) / (total_steps - warmup)))) / 2


def tell_epoch(images: int, train_seconds: float, accuracy: float) -> None:
    """Prints an epoch that is over and evaluated.

    Args:
        images: That were trained on.
        train_seconds: Of the training steps, with their wait for images.
        accuracy: On the test images, in [0, 1].
    """
    print(f"epoch {images} {train_seconds} {accuracy}", flush=True)
