"""How a model is used and made again, and with what it was made, for the model card."""

import importlib.metadata
import platform
from collections.abc import Iterator

from trainer.card.finished_run import FinishedRun
from trainer.card.markdown import commands
from trainer.card.repeat import conversion_command, training_command
from trainer.model_description import DESCRIPTION_NAME, MODEL_NAME

_PACKAGES = ("tensorflow", "keras", "numpy", "strided-net-pipeline")
_USE = """```python
import json

import keras
import numpy as np
from PIL import Image

model = keras.models.load_model("{model}")
class_names = json.load(open("{description}"))["class_names"]

image = np.asarray(Image.open("PICTURE.jpg").convert("RGB"), "float32"){moved}
image = np.round(keras.ops.image.resize(image, ({size}, {size}))) / 255
probabilities = np.asarray(model(image[None], training=False))[0]
print(class_names[probabilities.argmax()], probabilities.max())
```"""


def use(run: FinishedRun) -> Iterator[str]:
    """Code that loads the model and asks it."""
    yield "In plain Keras, in this directory:"
    description = run.description
    is_first = description.data_format == "channels_first"
    yield _USE.format(
        model=MODEL_NAME,
        description=DESCRIPTION_NAME,
        size=description.image_size,
        moved="\nimage = np.moveaxis(image, -1, 0)" * is_first,
    )


def how_to_repeat(run: FinishedRun) -> Iterator[str]:
    """The commands, and what they give."""
    data_dir = run.config.data_dir
    yield commands(
        conversion_command(run.manifest, data_dir),
        training_command(run.config, run.world["precision"]),
    )
    yield (
        "The same images and settings give the same shards, and so the fingerprint above. On the "
        "same CPU, with the same versions, settings and number of replicas, the weights are the "
        "same, too, bit for bit; on another one, except for rounding."
    )


def versions() -> Iterator[tuple[str, str]]:
    """Name and version of what the run was made with."""
    yield "python", platform.python_version()
    for name in _PACKAGES:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield name, "not installed as a package"
