"""Memory that is freed stays with the process."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

ALLOCATE_AND_FREE = """
import resource
import numpy as np
from pipelines.runtime.tensorflow_runtime import keep_freed_memory

if {keep}:
    keep_freed_memory()

def step():
    return len([np.ones(2_000_000) for _ in range(8)])  # 128 MB

for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(keep):
    command = [sys.executable, "-c", ALLOCATE_AND_FREE.format(keep=keep)]
    root = Path(__file__).parents[3]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, cwd=root).stdout)


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or not hasattr(ctypes.CDLL(None), "mallopt"),
    reason="mallopt is glibc's",
)
def test_freed_memory_is_used_again_without_page_faults():
    assert page_faults(keep=True) < page_faults(keep=False) / 10
