"""What is done to images to see whether a model still knows them: one function a change.

Each takes an image in RGB, of any size, and returns another; none draws anything at random.
"""

import functools
import io
import math
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageFilter, ImageOps

Change = Callable[[Image.Image], Image.Image]

CUT = 0.1  # of the width at the left and at the right, of the height at the top and at the bottom
BLUR = 0.01  # standard deviation, of the longer side
JPEG_QUALITY = 20
ANGLE = 15.0  # degrees
BRIGHTER, DARKER = 4 / 3, 2 / 3


def as_it_is(image: Image.Image) -> Image.Image:
    """The image itself, for comparison."""
    return image


def border_cut_off(image: Image.Image) -> Image.Image:
    """What is left without a tenth of the width and of the height at each side."""
    width, height = image.size
    x, y = round(CUT * width), round(CUT * height)
    return image.crop((x, y, width - x, height - y))


def padded_to_square(image: Image.Image) -> Image.Image:
    """The image in the middle of a black square, so that stretching keeps its proportions.

    What `tf.image.resize_with_pad` gives, but for the seam, which is interpolated here.
    """
    width, height = image.size
    side = max(image.size)
    square = Image.new(image.mode, (side, side))
    square.paste(image, ((side - width) // 2, (side - height) // 2))
    return square


def greyscale(image: Image.Image) -> Image.Image:
    """Luma (ITU-R BT.601) in three equal channels."""
    return image.convert("L").convert("RGB")


def blurred(image: Image.Image) -> Image.Image:
    """Gaussian, with a standard deviation of 1 % of the longer side."""
    return image.filter(ImageFilter.GaussianBlur(BLUR * max(image.size)))


def compressed(image: Image.Image) -> Image.Image:
    """Encoded as a JPEG of quality 20 with libjpeg's halved chroma, and decoded again."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=JPEG_QUALITY)
    return Image.open(stream).convert("RGB")


def rotated_on_black(image: Image.Image, degrees: float) -> Image.Image:
    """Rotated about its centre, counterclockwise, at the same size; what was outside is black."""
    return image.rotate(degrees, Image.Resampling.BILINEAR)


def rotated_on_nearest(image: Image.Image, degrees: float) -> Image.Image:
    """As `rotated_on_black`, but what was outside is the pixel of the border nearest to it."""
    width, height = image.size
    # No corner comes from further outside.
    margin = math.ceil(max(image.size) * abs(math.sin(math.radians(degrees))) / 2) + 1
    wider = np.pad(np.asarray(image), ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    rotated = rotated_on_black(Image.fromarray(wider), degrees)
    return rotated.crop((margin, margin, margin + width, margin + height))


def half_resolution(image: Image.Image) -> Image.Image:
    """Half as wide and half as high, each pixel the mean of four."""
    return image.reduce(2)


def mirrored(image: Image.Image) -> Image.Image:
    """Left and right exchanged."""
    return ImageOps.mirror(image)


def brightness(image: Image.Image, factor: float) -> Image.Image:
    """The 8-bit values times `factor`, rounded, and at most 255."""
    return image.point(lambda value: min(255, round(factor * value)))


def _both_ways(rotated: Callable[[Image.Image, float], Image.Image]) -> tuple[Change, ...]:
    return tuple(functools.partial(rotated, degrees=degrees) for degrees in (ANGLE, -ANGLE))


# In the order in which they are told. Where a change has two directions there are two functions,
# and its figures are those of the images of both.
CHANGES: Mapping[str, tuple[Change, ...]] = {
    "as it is": (as_it_is,),
    "10 % of the border cut off": (border_cut_off,),
    "padded to a square": (padded_to_square,),
    "greyscale": (greyscale,),
    "blurred": (blurred,),
    "JPEG quality 20": (compressed,),
    "rotated by 15°, corners black": _both_ways(rotated_on_black),
    "rotated by 15°, corners nearest pixel": _both_ways(rotated_on_nearest),
    "half the resolution": (half_resolution,),
    "mirrored": (mirrored,),
    "brighter by a third": (functools.partial(brightness, factor=BRIGHTER),),
    "darker by a third": (functools.partial(brightness, factor=DARKER),),
}
