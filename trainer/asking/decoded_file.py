"""From a file's bytes to the pixels that the model is asked about, as training had them."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from pipelines.conversion.validation import validate
from pipelines.loading.decode import CHANNELS, decode_to_pixels
from trainer.model_description import ModelDescription


@dataclasses.dataclass(frozen=True, eq=False)
class DecodedFile:
    """What became of one file.

    Attributes:
        image: uint8 (size, size, 3); None if there is none.
        problem: Why there is none; '' if there is one.
    """

    image: np.ndarray | None
    problem: str = ""


def decode_files(files: Sequence[bytes], description: ModelDescription) -> list[DecodedFile]:
    """Vets files as a conversion does, then decodes and stretches them as training does.

    Args:
        files: The bytes of at most `pipelines.conversion.validation.BATCH` files.
        description: Of the model: its image size and decode ratio.
    """
    size, ratio = description.image_size, description.decode_ratio
    decoded = []
    for verdict in validate(files):
        if verdict.rejected:
            decoded.append(DecodedFile(None, verdict.rejected))
            continue
        pixels = np.frombuffer(decode_to_pixels(verdict.data, size, ratio), np.uint8)
        decoded.append(DecodedFile(pixels.reshape(size, size, CHANNELS)))
    return decoded
