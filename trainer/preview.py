"""Shows one training image under 24 draws of the augmentation, before any training.

    python -m trainer.preview --data_dir=data/my_pictures --grid=augmentation.png
    python -m trainer.preview --image=8 --rotation=30 --hue=0.05

Takes the flags of the augmentation as trainer.main does. The first picture is the image as it is.
"""

import dataclasses
from typing import ClassVar

from pipelines.runtime import command, tensorflow_runtime
from pipelines.runtime.command import option
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import check_output_file, write_output_file
from trainer.input_config import InputConfig, check_at_least

PREVIEW = "Preview"


@dataclasses.dataclass(frozen=True)
class PreviewConfig(InputConfig):
    """Which image is shown, and where."""

    GROUPS: ClassVar[tuple[str, ...]] = (PREVIEW, *InputConfig.GROUPS)

    grid: str = option(
        "augmentation.png", "Where the picture is written to, a .png file.", group=PREVIEW
    )
    image: int = option(
        0, "Which training image, by its number in the shards, from 0.", group=PREVIEW
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("image", self.image, 0)
        if not self.grid.lower().endswith(".png"):
            raise InputError(f"received --grid={self.grid}, expected a file name in .png.")


def main(config: PreviewConfig) -> None:
    """Draws the picture that `config` asks for."""
    check_output_file("--grid", config.grid, config.data_dir)
    tensorflow_runtime.import_tensorflow()
    from trainer.augmentation_grid import draw_augmentations

    write_output_file("--grid", config.grid, draw_augmentations(config, config.image))
    print(f"image {config.image} under 24 draws: {config.grid}", flush=True)


if __name__ == "__main__":
    command.run(main, PreviewConfig)
