"""Writes a model in one of the formats, and asks what was written."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import keras
import numpy as np

from pipelines.runtime.errors import InputError
from trainer.exporting.keras_file import KerasRunner, write_keras_file
from trainer.exporting.litert import LiteRTRunner, write_litert
from trainer.exporting.onnx_file import OnnxRunner, write_onnx
from trainer.exporting.saved_model import SavedModelRunner, write_saved_model
from trainer.model_description import ModelDescription


class Runner(Protocol):
    """An exported model, run by what its users would run it with."""

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Each class's probability, float32 (batch, classes).

        Args:
            images: float32 (batch, size, size, 3) in [0, 1].
        """


_WRITERS: dict[str, Callable[[keras.Model, ModelDescription, Path], None]] = {
    "saved_model": write_saved_model,
    "keras": write_keras_file,
    "litert": write_litert,
    "onnx": write_onnx,
}
_RUNNERS: dict[str, Callable[[Path], Runner]] = {
    "saved_model": SavedModelRunner,
    "keras": KerasRunner,
    "litert": LiteRTRunner,
    "onnx": OnnxRunner,
}


def write(name: str, model: keras.Model, description: ModelDescription, path: Path) -> Runner:
    """Writes `model` to `path` and loads it from there.

    Args:
        name: One of `trainer.exporting.formats.FORMATS`.
        model: In float32.
        description: Its classes and images.
        path: A name to write to, with the format's ending.

    Raises:
        OSError: if the file cannot be written.
        InputError: if the model is not one that can be converted, or what came of it not run.
    """
    try:
        _WRITERS[name](model, description, path)
        return _RUNNERS[name](path)
    except OSError:
        raise
    except Exception as error:  # converters and runtimes raise whatever a model leads them to
        raise InputError(
            f"received a model that cannot be written with --format={name} ({_reason(error)}), "
            "expected layers that this format has; choose another format."
        ) from error


def _reason(error: Exception) -> str:
    """What a converter says of its error, without the lines of code that it shows around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = [line.partition("error: ")[2] for line in lines if "error: " in line]
    return (said or lines or [type(error).__name__])[0][:300]
