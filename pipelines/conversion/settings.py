"""The choices that decide what is in a set of shards, beside the images themselves."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class SplitSettings:
    """How images are divided that their source does not divide itself.

    Attributes:
        test_fraction: Share of all images, in (0, 1).
        validation_fraction: Share of all images, in [0, 1); 0 for no such part.
        seed: At least 0.
        by_source: Whether the parts that the source gives are kept.
    """

    test_fraction: float = 0.25
    validation_fraction: float = 0.0
    seed: int = 42
    by_source: bool = True


@dataclasses.dataclass(frozen=True)
class Settings:
    """All these choices; a set's manifest holds them.

    Attributes:
        test_fraction, validation_fraction, split_seed: See `SplitSettings`.
        split: 'auto' or 'source' to keep the parts that the source gives, which 'source' demands;
            'stratified' to divide all images anew.
        group_duplicates: Whether images that look the same are kept in one part.
        encoding: 'jpeg' to store encoded bytes, 'raw' to store pixels.
        image_size: Height and width of the pixels under 'raw'; None under 'jpeg'.
        on_bad_image: 'fail' or 'skip'.
        max_bad_images: Under 'skip', how many are too many by one; None for no limit.
        seed: Of the order of the records.
        shards: Files for the training part; None where `shard_size_mb` is given.
        shard_size_mb: Size of a file in megabytes, about.
    """

    test_fraction: float = 0.25
    validation_fraction: float = 0.0
    split: str = "auto"
    split_seed: int = 42
    group_duplicates: bool = False
    encoding: str = "jpeg"
    image_size: int | None = None
    on_bad_image: str = "fail"
    max_bad_images: int | None = None
    seed: int = 0
    shards: int | None = 8
    shard_size_mb: float | None = None

    @property
    def division(self) -> SplitSettings:
        return SplitSettings(
            self.test_fraction,
            self.validation_fraction,
            self.split_seed,
            by_source=self.split != "stratified",
        )
