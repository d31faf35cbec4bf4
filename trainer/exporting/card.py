"""What goes with an export so that it can be used without the run directory."""

import dataclasses
import json
from typing import Any

from trainer.model_description import DESCRIPTION_NAME, ModelDescription

CARD_NAME = DESCRIPTION_NAME


def card(description: ModelDescription) -> dict[str, Any]:
    """The fields of `model.json` that hold for an export, with what it was made from."""
    values = dataclasses.asdict(description)
    # Of the model.keras that it was made from: its own hash cannot stand in a file.
    trained = {"trained_in": values.pop("precision"), "trained_model_sha256": values.pop("sha256")}
    return {**values, "precision": "float32", "input": description.input, **trained}


def card_json(description: ModelDescription) -> str:
    """The same as text."""
    return json.dumps(card(description), indent=2, ensure_ascii=False) + "\n"
