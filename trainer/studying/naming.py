"""The directory of a run in a study: a name that says in which flags it is not the default run.

It is made of all such flags, not only of those that a study varies, so that studies with other
factors can share a directory and the runs in it: 'downsampling=max_pool,epochs=5,seed=0'.
"""

import dataclasses
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from trainer.comparison.flags import DEFAULT, differing_flags, label
from trainer.comparison.groups import SEED
from trainer.config import TrainConfig

# A file system gives 255 bytes at most, and files beside the run are named after it.
_MOST_CHARACTERS = 200


def run_name(flags: Mapping[str, Any]) -> str:
    """The name of a run with these flags, the seed last.

    Args:
        flags: As `TrainConfig.as_json` gives them.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(TrainConfig)}
    changed = [name for name in differing_flags([defaults, flags]) if name != SEED]
    parts = [label(flags, [name]) for name in changed] or [DEFAULT]
    name = ",".join([*parts, label(flags, [SEED])])
    safe = re.sub(r"[^\w.,=+-]", "_", name)
    if safe == name and len(name) <= _MOST_CHARACTERS:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{safe[: _MOST_CHARACTERS - 13]}~{digest}"
