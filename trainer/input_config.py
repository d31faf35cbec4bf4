"""The flags of the input pipeline, which several commands share."""

import dataclasses
import re
from typing import ClassVar

from pipelines.augmentation.config import Augmentation
from pipelines.loading.options import AUGMENT_ON, DECODE_RATIOS
from pipelines.runtime.command import option
from pipelines.runtime.errors import InputError

DATA, AUGMENTATION, ORDER = "Data", "Augmentation", "Order and balance"
INPUT_SPEED = "Speed of the input"
# Half of the rotation and shifts of the tutorial, whose ranges are the defaults of `Augmentation`,
# and less zoom: docs/recipes.md has the figures.
DEFAULT_RANGES = Augmentation(rotation=10.0, width_shift=0.1, height_shift=0.1, zoom=0.1)
CACHES = ("auto", "memory", "disk", "none")


def _range(name: str, help: str) -> float:
    return option(getattr(DEFAULT_RANGES, name), help, group=AUGMENTATION)


@dataclasses.dataclass(frozen=True)
class InputConfig:
    """Every choice of the input pipeline.

    Raises:
        InputError: when made with a value that cannot be, or with values that contradict.
    """

    # The order of `--help`: what one needs first comes first.
    GROUPS: ClassVar[tuple[str, ...]] = (DATA, AUGMENTATION, ORDER, INPUT_SPEED)

    data_dir: str = option(
        "data/tfrecords",
        "Directory of shards that pipelines.make_tfrecords wrote.",
        group=DATA,
        decides="output",
        is_place=True,
        per_worker=True,
    )
    image_size: int = option(
        96, "Height and width in pixels to which images are stretched.", group=DATA
    )
    batch_size: int = option(16, "Examples in a step, over all replicas together.", group=DATA)
    seed: int = option(
        0, "Seed of the weights, the order, the augmentation and dropout.", group=DATA
    )
    decode_ratio: int = option(
        1,
        "2, 4 or 8: decode large JPEGs at as little as this part of their size, where they stay no "
        "smaller than --image_size: faster, with other pixels. 1 decodes them whole.",
        group=DATA,
    )
    augmentation: str = option(
        "random",
        "random: random changes in the ranges below; none: the images as they are.",
        group=AUGMENTATION,
        choices=("random", "none"),
    )
    rotation: float = _range("rotation", "Degrees, to either side.")
    width_shift: float = _range("width_shift", "Share of the width, to either side.")
    height_shift: float = _range("height_shift", "Share of the height, to either side.")
    shear: float = _range("shear", "Degrees, to either side.")
    zoom: float = _range("zoom", "Each axis is scaled by its own factor in [1 - X, 1 + X].")
    horizontal_flip: bool = option(
        DEFAULT_RANGES.horizontal_flip, "Mirror every second image, on average.", group=AUGMENTATION
    )
    aspect_jitter: float = _range(
        "aspect_jitter", "The aspect ratio changes by a factor in [1 / (1 + X), 1 + X]."
    )
    border_crop: float = _range(
        "border_crop", "Each side loses a share of its own in [0, X], below 0.5."
    )
    black_fill: float = _range(
        "black_fill",
        "Probability that what a warp brings in from outside an image is black, as in a "
        "letterbox, instead of the nearest pixel.",
    )
    brightness: float = _range("brightness", "Factor in [1 - X, 1 + X].")
    contrast: float = _range("contrast", "Factor in [1 - X, 1 + X].")
    saturation: float = _range("saturation", "Factor in [1 - X, 1 + X].")
    hue: float = _range("hue", "Turn of the colour circle in [-X, X], at most 0.5.")
    greyscale: float = _range("greyscale", "Probability that an image loses its colours.")
    blur: float = _range(
        "blur",
        "Blur every second image, on average, by a Gaussian of a standard deviation of up to X "
        "pixels.",
    )
    erasing: float = _range(
        "erasing", "Probability that a rectangle of 2 % to 33 % of an image is erased."
    )
    mixup: float = _range("mixup", "MixUp with weights from Beta(X, X); 0.2 is common, 0 is off.")
    cutmix: float = _range("cutmix", "CutMix with areas from Beta(X, X); 1 is common, 0 is off.")
    unwarped_fraction: float = option(
        0.2,
        "Share of the epochs, the last ones, in which images are only mirrored: the weights settle "
        "on images as evaluation shows them.",
        group=AUGMENTATION,
    )
    augment_on: str = option(
        "host",
        "host: in the input pipeline. device: on the replica, to which uint8 travels, a quarter "
        "of the bytes; for GPUs.",
        group=AUGMENTATION,
        decides="speed",
        choices=AUGMENT_ON,
    )
    shuffle_buffer: int = option(
        2048,
        "Records that are read together and visited in an order drawn among all of them. Part of "
        "the order; a set that is no larger is shuffled perfectly. Twice as many are held, as they "
        "are stored.",
        group=ORDER,
    )
    oversample: bool = option(
        False,
        "Visit the examples of small classes several times in an epoch, so that all classes come "
        "equally often.",
        group=ORDER,
    )
    cache: str = option(
        "auto",
        "Where decoded images stay: memory; disk, a set of pixels that later runs find again; "
        "none, they are decoded in each epoch. auto: memory where there is room, else none.",
        group=INPUT_SPEED,
        decides="speed",
        per_worker=True,
        choices=CACHES,
    )
    cache_dir: str | None = option(
        None,
        "Directory for --cache=disk; DATA_DIR.cache unless given.",
        group=INPUT_SPEED,
        decides="output",
        is_place=True,
        per_worker=True,
    )
    cache_memory_mb: int | None = option(
        None,
        "Most memory in megabytes that --cache may take; half of what is free unless given.",
        group=INPUT_SPEED,
        decides="speed",
        per_worker=True,
    )
    input_threads: int | None = option(
        None,
        "Batches that are decoded, and augmented, at the same time; one a core unless given.",
        group=INPUT_SPEED,
        decides="speed",
        per_worker=True,
    )
    input_readers: int | None = option(
        None,
        "Places of the shards that are read at the same time; 1 for files of this machine and 8 "
        "for others unless given.",
        group=INPUT_SPEED,
        decides="speed",
        per_worker=True,
    )
    data_service: tuple[str, ...] = option(
        (),
        "Addresses of pipelines.data_service, as grpc://HOST:PORT,..., that decode and augment "
        "instead of this machine.",
        group=INPUT_SPEED,
        decides="output",
        per_worker=True,
    )

    def __post_init__(self) -> None:
        self._check_numbers()
        self._check_augmentation()
        self._check_cache()

    @property
    def ranges(self) -> Augmentation | None:
        """The limits of the augmentation; None for images as they are."""
        return None if self.augmentation == "none" else self._ranges()

    def _ranges(self) -> Augmentation:
        names = [field.name for field in dataclasses.fields(Augmentation)]
        return Augmentation(**{name: getattr(self, name) for name in names})

    def _check_numbers(self) -> None:
        at_least = {
            "image_size": 7,
            "batch_size": 1,
            "shuffle_buffer": 1,
            "seed": 0,
            "cache_memory_mb": 0,
            "input_threads": 1,
            "input_readers": 1,
        }
        for name, least in at_least.items():
            check_at_least(name, getattr(self, name), least)
        if self.seed >= 2**32:
            raise InputError(f"received --seed={self.seed}, expected less than 2**32.")
        if self.decode_ratio not in DECODE_RATIOS:
            raise InputError(f"received --decode_ratio={self.decode_ratio}, expected 1, 2, 4 or 8.")

    def _check_augmentation(self) -> None:
        check_share("unwarped_fraction", self.unwarped_fraction)
        ranges = self._ranges()
        if self.augmentation != "none":
            return
        changed = [
            (name, value)
            for name, value in dataclasses.asdict(ranges).items()
            if value != getattr(DEFAULT_RANGES, name)
        ]
        changed += [("augment_on", self.augment_on)] if self.augment_on != "host" else []
        for name, value in changed:
            raise InputError(
                f"received --{name}={value} with --augmentation=none, which changes nothing in the "
                "images; drop one of the two."
            )

    def _check_cache(self) -> None:
        if self.cache_dir is not None and self.cache != "disk":
            raise InputError(
                f"received --cache_dir={self.cache_dir} with --cache={self.cache}, expected "
                "--cache=disk; drop one of the two."
            )
        if self.cache_memory_mb is not None and self.cache in ("disk", "none"):
            raise InputError(
                f"received --cache_memory_mb={self.cache_memory_mb} with --cache={self.cache}, "
                "expected --cache=memory or auto; drop one of the two."
            )
        for address in self.data_service:
            if not re.fullmatch(r"grpc://[^/\s]+:\d+", address):
                raise InputError(
                    f"received --data_service={address}, expected grpc://HOST:PORT as "
                    "pipelines.data_service prints it."
                )
        if len(set(self.data_service)) < len(self.data_service):
            raise InputError(
                f"received --data_service={','.join(self.data_service)}, which names a service "
                "twice, expected each once."
            )
        if self.data_service and self.cache == "memory":
            raise InputError(
                f"received --cache=memory with --data_service={','.join(self.data_service)}, whose "
                "workers keep nothing from one epoch to the next, expected --cache=none, disk or "
                "auto; drop one of the two."
            )


def check_at_least(name: str, value: float | None, least: float) -> None:
    """Checks the value of a flag; None, for 'not given', passes.

    Raises:
        InputError: if it is less, or no number.
    """
    if value is not None and not value >= least:
        raise InputError(f"received --{name}={value}, expected at least {least}.")


def check_share(name: str, value: float) -> None:
    """Checks the value of a flag that is a share of something.

    Raises:
        InputError: if it is not in [0, 1).
    """
    if not 0 <= value < 1:
        raise InputError(f"received --{name}={value}, expected at least 0 and below 1.")
