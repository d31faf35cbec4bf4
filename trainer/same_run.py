"""Whether a run may go on from a checkpoint: what must be the same, and what may differ."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from trainer.checkpoint import RunState
from trainer.config import TrainConfig


def differences(old: dict[str, Any], new: TrainConfig) -> list[str]:
    """The flags that would make the run another one, `epochs` aside.

    Args:
        old: The flags of the run so far, as `TrainConfig.as_json` gives them.
        new: Those with which it is to go on.
    """
    if old.get("augmentation") == "tutorial":  # as it was called once
        old = old | {"augmentation": "random"}
    values = new.as_json()
    return [
        f"--{name}={_shown(old[name])} is now {_shown(values[name])}"
        for name in _binding_flags()
        if name in old and old[name] != values[name]
    ]


def why_not_extended(
    old: dict[str, Any], new: TrainConfig, state: RunState, steps_per_epoch: int
) -> str:
    """Why a run cannot go on with other `epochs`, or nothing if it can.

    It can where a run with the new number of epochs would have come to the same state.
    """
    if old["epochs"] == new.epochs:
        return ""
    if new.epochs * steps_per_epoch < state.step:
        return f"{state.step} steps have been taken, which is more"
    if new.schedule == "cosine":
        return "--schedule=cosine falls to 0 in the epochs that it was begun with"
    if new.schedule == "inverse_time" and new.decay is None:
        return "the decay follows from --epochs unless --decay is given"
    if new.warmup_fraction:
        return "--warmup_fraction is a share of --epochs"
    unwarped = round(old["unwarped_fraction"] * old["epochs"])
    warped_in_both = min(old["epochs"] - unwarped, new.epochs - new.unwarped_epochs)
    epochs_begun = -(-state.step // steps_per_epoch)
    if new.ranges is not None and epochs_begun > warped_in_both:
        return "its last epochs only mirrored the images; --unwarped_fraction=0 can be extended"
    return ""


def _binding_flags() -> Iterable[str]:
    for field in dataclasses.fields(TrainConfig):
        if field.metadata["decides"] == "result" and field.name != "epochs":
            yield field.name


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
