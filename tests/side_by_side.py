"""Who runs what where tests run in several processes (`--numprocesses=2`, of pytest-xdist).

A process runs all tests of a file, and all of a folder whose tests share what is dear. What takes
long begins first: one that began last would leave the other processes without work.
"""

from typing import Any

import pytest

# Beginnings of paths, what takes longest first. Where a folder stands here (with its "/"), one
# process runs all of it.
LONGEST = (
    "tests/interruptions/training/",
    "tests/trainer/test_train.py",
    "tests/trainer/test_loop.py",
    "tests/benchmarks/",
    "tests/pipelines/loading/test_order_contract.py",
    "tests/trainer/workers/test_two_workers.py",
    "tests/pipelines/data_service/",
    "tests/pipelines/augmentation/test_augment.py",
    "tests/interruptions/",
    "tests/trainer/timing/",
    "tests/pipelines/conversion/test_beam_engine.py",
)


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config.option, "loadscopereorder"):
        # It would put first what has the most tests.
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _rank(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if config.option.dist != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class LoadFolderOrFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope_of(nodeid)

    return LoadFolderOrFile(config, log)


def scope_of(nodeid: str) -> str:
    """What one process runs with this test: a folder or a file."""
    path = nodeid.partition("::")[0]
    rank = _rank(nodeid)
    is_together = rank < len(LONGEST) and LONGEST[rank].endswith("/")
    return LONGEST[rank] if is_together else path


def _rank(nodeid: str) -> int:
    places = (place for place, path in enumerate(LONGEST) if nodeid.startswith(path))
    return next(places, len(LONGEST))
