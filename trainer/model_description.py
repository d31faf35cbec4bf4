"""What one has to know to use a run's model: `model.json`, beside `model.keras`."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from pipelines.runtime.errors import InputError
from pipelines.runtime.files import atomic_file

MODEL_NAME, DESCRIPTION_NAME = "model.keras", "model.json"


@dataclasses.dataclass(frozen=True)
class ModelDescription:
    """What `model.json` says.

    Attributes:
        architecture: The value of `--model`.
        class_names: In the order of the model's outputs.
        image_size: Height and width of the images in pixels.
        decode_ratio: With which images were decoded, see `pipelines.loading.decode`.
        data_name: What the training data are called.
        data_fingerprint: `Manifest.fingerprint` of the training data.
        precision: The Keras dtype policy that the model was trained with.
        parameters: Of all layers, those that are not trained among them.
        multiply_adds: Of one image's forward pass, as `model.registry` counts them.
        data_format: Where the channels are, as `keras.config.image_data_format()` says it.
        sha256: Of the bytes of `model.keras`.
    """

    architecture: str
    class_names: tuple[str, ...]
    image_size: int
    decode_ratio: int
    data_name: str
    data_fingerprint: str
    precision: str
    parameters: int
    multiply_adds: int
    data_format: str = "channels_last"
    sha256: str = ""

    @property
    def input(self) -> str:
        """What the model takes, for a reader."""
        size = self.image_size
        is_last = self.data_format == "channels_last"
        shape = f"{size}, {size}, 3" if is_last else f"3, {size}, {size}"
        return f"float32 RGB images in [0, 1], (batch, {shape}), stretched to that size"


def write_description(run_dir: Path, description: ModelDescription) -> None:
    """Writes `model.json`, whole or not at all.

    Raises:
        OSError: if it cannot be written.
    """
    values = {**dataclasses.asdict(description), "input": description.input}
    text = json.dumps(values, indent=2, ensure_ascii=False)
    with atomic_file(run_dir / DESCRIPTION_NAME) as path:
        path.write_text(text + "\n", encoding="utf-8")


def load_description(run_dir: Path) -> ModelDescription:
    """What the model in a run directory is, without loading it.

    Raises:
        InputError: if there is no model in `run_dir`, or it is not the one that was written there.
    """
    _check_directory(run_dir)
    path = run_dir / DESCRIPTION_NAME
    try:
        description = _description_from(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"received --run_dir={run_dir}, whose {DESCRIPTION_NAME} cannot be read ({error}), "
            "expected one as trainer.main writes it; take the file from a copy, or train again."
        ) from error
    sha256 = sha256_of(run_dir / MODEL_NAME)
    if sha256 != description.sha256:
        raise InputError(
            f"received {run_dir / MODEL_NAME} of SHA-256 {sha256[:12]}..., expected "
            f"{description.sha256[:12]}... as {DESCRIPTION_NAME} says: it was changed since it was "
            "written, and a model file can hold anything; take it from a copy, or train again."
        )
    return description


def _description_from(document: dict[str, Any]) -> ModelDescription:
    values = {field.name: document[field.name] for field in dataclasses.fields(ModelDescription)}
    return ModelDescription(**{**values, "class_names": tuple(values["class_names"])})


def _check_directory(run_dir: Path) -> None:
    """Says what is there where it is no run directory with a model."""
    if run_dir.suffix == ".h5" or run_dir.is_file():
        raise InputError(
            f"received --run_dir={run_dir}, a file, expected the directory of a finished run, in "
            f"which {MODEL_NAME} and {DESCRIPTION_NAME} are (.h5 files are not read); give that."
        )
    if not run_dir.is_dir():
        raise InputError(
            f"received --run_dir={run_dir}, which does not exist, expected the directory of a "
            "finished run of trainer.main; see to the path."
        )
    missing = [n for n in (MODEL_NAME, DESCRIPTION_NAME) if not (run_dir / n).is_file()]
    if not missing:
        return
    found = next((path.name for path in sorted(run_dir.glob("*.h5"))), None)
    why = f" (but {found}: .h5 files are not read)" if found else ""
    unfinished = (run_dir / "checkpoints").is_dir() or (run_dir / "config.json").is_file()
    raise InputError(
        f"received --run_dir={run_dir} without {missing[0]}{why}, expected the directory of a "
        "finished run; "
        + ("train on with trainer.main and the same flags." if unfinished else "see to the path.")
    )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
