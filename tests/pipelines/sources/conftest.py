from collections.abc import Callable

import pytest

from pipelines.runtime.errors import InputError
from pipelines.sources import open_source


@pytest.fixture
def refusal(note_fault: Callable) -> Callable[..., str]:
    """The line with which a source is refused when it is opened: a row of the table of faults.

    Takes what `open_source` takes. The fault is called `fault`, else as the test.
    """

    def refuse(source: object, *arguments: object, fault: str = "", **options: object) -> str:
        happened = note_fault("bad input", fault)
        with pytest.raises(InputError) as caught:
            open_source(str(source), *arguments, **options)
        happened(caught.value)
        assert "expected" in str(caught.value) and "\n" not in str(caught.value)
        return str(caught.value)

    return refuse
