"""How batches are made: every choice of the input pipeline, in one value."""

import dataclasses
import os

from pipelines.augmentation.config import Augmentation
from pipelines.runtime.errors import InputError

__all__ = ["InputOptions"]

AUGMENT_ON = ("host", "device")
SHARD_BY = ("example", "file")
DECODE_RATIOS = (1, 2, 4, 8)  # by which libjpeg can reduce an image while it decodes it


@dataclasses.dataclass(frozen=True)
class InputOptions:
    """The first group decides what is in the batches, the second only how fast they come."""

    image_size: int = 96  # height and width of the images in pixels
    batch_size: int = 32  # examples in a global batch
    # Limits of the random changes, or None to train on the images as they are.
    augmentation: Augmentation | None = dataclasses.field(default_factory=Augmentation)
    # The last epochs of a run in which images are only mirrored: the weights settle on images as
    # evaluation shows them.
    unwarped_epochs: int = 0
    # Records that are read together and visited in an order drawn among all of them; a part that is
    # no larger is shuffled perfectly. They are held as they are stored, twice as many of them,
    # since the next ones are read ahead.
    shuffle_buffer: int = 2048
    # Whether examples of small classes are visited several times in an epoch, so that all classes
    # come equally often.
    oversample: bool = False
    decode_ratio: int = 1  # 1, 2, 4 or 8; see `pipelines.loading.decode.decode_and_resize`
    channels_first: bool = False  # whether images come as (batch, 3, height, width)

    replicas: int = 1  # of each worker, among which its share of a global batch is divided
    # 'host' to augment in the pipeline, 'device' to hand out what the training step needs to do it.
    augment_on: str = "host"
    # 'memory' to keep decoded images after the first epoch, 'none' to decode them again.
    cache: str = "memory"
    # Batches that are decoded, and augmented, at the same time. Fixed, never AUTOTUNE: dropping an
    # iterator can block for up to a minute on the autotuner's thread.
    threads: int = dataclasses.field(default_factory=lambda: os.cpu_count() or 1)
    # Places of the shards that are read at the same time. One is enough for files that the
    # operating system reads ahead or holds; each of more costs a little.
    readers: int = 1
    # Addresses of data services that do the work instead of this process, as 'grpc://HOST:PORT'.
    services: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.batch_size % self.replicas:
            raise InputError(
                f"received a batch size of {self.batch_size} for {self.replicas} replicas, "
                f"expected a multiple of {self.replicas}; choose another --batch_size."
            )
        if self.augmentation and self.augmentation.mixes and self.batch_size // self.replicas % 2:
            raise InputError(
                f"received a batch size of {self.batch_size} for {self.replicas} replicas with "
                "MixUp or CutMix, which mix examples in pairs, expected a multiple of "
                f"{2 * self.replicas}; choose another --batch_size."
            )
        if self.services and self.cache == "memory":
            raise InputError(
                "received --cache=memory with --data_service, whose workers keep nothing from one "
                "epoch to the next, expected --cache=none or disk; drop one of the two."
            )
