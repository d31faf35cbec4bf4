"""How far the augmentation may go; importable without TensorFlow."""

import dataclasses
import math

from pipelines.runtime.errors import InputError

__all__ = ["Augmentation"]

_AFFINE_RANGES = (
    "rotation",
    "width_shift",
    "height_shift",
    "shear",
    "zoom",
    "aspect_jitter",
    "border_crop",
)
_COLOR_RANGES = ("brightness", "contrast", "saturation", "hue", "greyscale")

# Least value, greatest value, whether the greatest itself is allowed.
_LIMITS = {
    "rotation": (0.0, 180.0, True),
    "width_shift": (0.0, 1.0, True),
    "height_shift": (0.0, 1.0, True),
    "shear": (0.0, 90.0, False),
    "zoom": (0.0, 1.0, False),
    "aspect_jitter": (0.0, 10.0, True),
    "border_crop": (0.0, 0.5, False),
    "black_fill": (0.0, 1.0, True),
    "brightness": (0.0, 1.0, True),
    "contrast": (0.0, 1.0, True),
    "saturation": (0.0, 1.0, True),
    "hue": (0.0, 0.5, True),
    "greyscale": (0.0, 1.0, True),
    "blur": (0.0, 10.0, True),
    "erasing": (0.0, 1.0, True),
    "mixup": (0.0, math.inf, False),
    "cutmix": (0.0, math.inf, False),
}


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """The limits of every random change; the defaults are the tutorial's `ImageDataGenerator`.

    Raises:
        InputError: when made with a value outside its range.
    """

    rotation: float = 20.0  # degrees in [0, 180], drawn from [-rotation, rotation]
    width_shift: float = 0.2  # share of the width in [0, 1], drawn from [-width_shift, width_shift]
    height_shift: float = 0.2  # share of the height, likewise
    # Degrees in [0, 90) (so the tutorial's 0.15 is next to nothing), drawn likewise.
    shear: float = 0.15
    zoom: float = 0.15  # in [0, 1); each axis is scaled by its own factor from [1 - zoom, 1 + zoom]
    horizontal_flip: bool = True  # whether every second image, on average, is mirrored
    # In [0, 10]; the aspect ratio is multiplied by a factor drawn log-uniformly from [1 / (1 +
    # aspect_jitter), 1 + aspect_jitter].
    aspect_jitter: float = 0.0
    # In [0, 0.5); each side loses its own share, drawn from [0, border_crop], of the width or
    # height.
    border_crop: float = 0.0
    # Probability in [0, 1] that what a warp brings in from outside an image is black, as in a
    # letterbox, instead of the nearest pixel.
    black_fill: float = 0.0
    brightness: float = 0.0  # in [0, 1]; the factor is drawn from [1 - brightness, 1 + brightness]
    contrast: float = 0.0  # likewise
    saturation: float = 0.0  # likewise
    hue: float = 0.0  # in [0, 0.5], share of the colour circle, drawn from [-hue, hue]
    greyscale: float = 0.0  # probability in [0, 1] that an image loses its colours
    # In [0, 10] pixels; every second image, on average, is blurred by a Gaussian of a standard
    # deviation drawn from (0, blur].
    blur: float = 0.0
    erasing: float = 0.0  # probability in [0, 1] that a rectangle of the image is erased
    mixup: float = 0.0  # alpha of the Beta distribution of MixUp's weights; 0 is off
    # Alpha of the Beta distribution of CutMix's areas; 0 is off. With both on, a fair draw for each
    # example decides which it is.
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        for name, (least, greatest, inclusive) in _LIMITS.items():
            value = getattr(self, name)
            # NaN is in no range: every comparison with it is false.
            if least <= value and (value <= greatest if inclusive else value < greatest):
                continue
            bound = "at most" if inclusive else "below"
            raise InputError(
                f"received --{name}={value}, expected a number of at least {least:g} and {bound} "
                f"{greatest:g}; 0 switches it off."
            )

    @property
    def warps(self) -> bool:
        """Whether any pixel may come to lie elsewhere, so that images are interpolated."""
        return self.horizontal_flip or any(getattr(self, name) > 0 for name in _AFFINE_RANGES)

    @property
    def jitters_color(self) -> bool:
        """Whether brightness, contrast, saturation or hue may change, or all colours go."""
        return any(getattr(self, name) > 0 for name in _COLOR_RANGES)

    @property
    def mixes(self) -> bool:
        """Whether examples are mixed in pairs, so that labels become soft."""
        return self.mixup > 0 or self.cutmix > 0
