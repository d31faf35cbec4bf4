"""What is said of one file."""

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

OK = "ok"


@dataclasses.dataclass(frozen=True, eq=False)
class Answer:
    """The model's answer about one file, or why there is none.

    Attributes:
        file: Its name, as the user named it.
        status: 'ok', or why there is no answer.
        probabilities: float32 (classes,); None without an answer.
        image: What the model saw, uint8 (size, size, 3); None without an answer.
        decode_ms: Milliseconds from opening the file to pixels, in a thread beside others.
        model_ms: Milliseconds of the model for the file's batch, over the files in it.
    """

    file: str
    status: str
    probabilities: "np.ndarray | None" = None
    image: "np.ndarray | None" = None
    decode_ms: float = 0.0
    model_ms: float = 0.0

    @property
    def is_ok(self) -> bool:
        return self.status == OK
