"""How far the augmentation may go; importable without TensorFlow."""

import dataclasses
import math
from typing import Any

from pipelines.runtime.errors import InputError

__all__ = ["Augmentation"]


def _range(default: float, *, at_most: float = math.inf, below: float = math.inf) -> Any:
    """A field of at least 0."""
    return dataclasses.field(default=default, metadata={"at_most": at_most, "below": below})


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """The limits of every random change; the defaults are the tutorial's `ImageDataGenerator`.

    Raises:
        InputError: when made with a value outside its range.
    """

    rotation: float = _range(20.0, at_most=180.0)  # degrees, drawn from [-rotation, rotation]
    width_shift: float = _range(0.2, at_most=1.0)  # share of the width, drawn likewise
    height_shift: float = _range(0.2, at_most=1.0)  # share of the height, likewise
    # Degrees (so the tutorial's 0.15 is next to nothing), drawn likewise.
    shear: float = _range(0.15, below=90.0)
    # Each axis is scaled by its own factor from [1 - zoom, 1 + zoom].
    zoom: float = _range(0.15, below=1.0)
    horizontal_flip: bool = True  # whether every second image, on average, is mirrored
    # The aspect ratio is multiplied by a factor drawn log-uniformly from [1 / (1 + aspect_jitter),
    # 1 + aspect_jitter].
    aspect_jitter: float = _range(0.0, at_most=10.0)
    # Each side loses its own share, drawn from [0, border_crop], of the width or height.
    border_crop: float = _range(0.0, below=0.5)
    # Probability that what a warp brings in from outside an image is black, as in a letterbox,
    # instead of the nearest pixel.
    black_fill: float = _range(0.0, at_most=1.0)
    # The factor is drawn from [1 - brightness, 1 + brightness]; contrast and saturation likewise.
    brightness: float = _range(0.0, at_most=1.0)
    contrast: float = _range(0.0, at_most=1.0)
    saturation: float = _range(0.0, at_most=1.0)
    hue: float = _range(0.0, at_most=0.5)  # share of the colour circle, drawn from [-hue, hue]
    greyscale: float = _range(0.0, at_most=1.0)  # probability that an image loses its colours
    # Pixels; every second image, on average, is blurred by a Gaussian of a standard deviation drawn
    # from (0, blur].
    blur: float = _range(0.0, at_most=10.0)
    erasing: float = _range(0.0, at_most=1.0)  # probability that a rectangle of the image is erased
    # Alpha of the Beta distribution of MixUp's weights, and of CutMix's areas; 0 is off. With both
    # on, a fair draw for each example decides which it is.
    mixup: float = _range(0.0, below=math.inf)
    cutmix: float = _range(0.0, below=math.inf)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if field.metadata:
                self._check(field.name, **field.metadata)

    def _check(self, name: str, at_most: float, below: float) -> None:
        value = getattr(self, name)
        # NaN is in no range: every comparison with it is false.
        if not (0 <= value <= at_most and value < below):
            bound = f"below {below:g}" if at_most == math.inf else f"at most {at_most:g}"
            raise InputError(
                f"received --{name}={value}, expected a number of at least 0 and {bound}; 0 "
                "switches it off."
            )

    @property
    def warps(self) -> bool:
        """Whether any pixel may come to lie elsewhere, so that images are interpolated."""
        moves = self.rotation, self.width_shift, self.height_shift, self.shear
        scales = self.zoom, self.aspect_jitter, self.border_crop
        return self.horizontal_flip or any(moves + scales)

    @property
    def jitters_color(self) -> bool:
        """Whether brightness, contrast, saturation or hue may change, or all colours go."""
        return any((self.brightness, self.contrast, self.saturation, self.hue, self.greyscale))

    @property
    def mixes(self) -> bool:
        """Whether examples are mixed in pairs, so that labels become soft."""
        return self.mixup > 0 or self.cutmix > 0
