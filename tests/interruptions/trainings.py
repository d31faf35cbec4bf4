"""Training runs, as `forks_of_one_process` carries them out.

Their further steps are:

    train 3 8f2c01d7                  before step 3 is taken; the number is that of its examples
    evaluate                          before each evaluated batch
    entry best/000.npy                before each entry of a checkpoint
    opened run/config.json            a file is open for writing, and empty
    fsync 7
"""

import builtins
import io
import logging
import os
import pathlib
import sys
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

from tests.small_network import build_small
from trainer.main import MainConfig
from trainer.main import main as train

COMMAND = (train, MainConfig)
OUTPUT = "run_dir"
# What a run imports.
IMPORTED = ["trainer.train", "trainer.multi_worker"]


_build_whole = None


def prepare(job: dict[str, Any], step: Callable[..., None]) -> None:
    """Makes the steps of a run known.

    Args:
        job: With `code`, Python that is run first; `network`, "whole" for StridedNet in place of a
            small one that is ready in a fraction of the time.
        step: Notes a step.
    """
    global _build_whole
    import trainer.loop_setup

    if _build_whole is None:
        _build_whole = trainer.loop_setup.build_model
        _note_steps(step)
        # It would warn of many tracings, since one process carries out several runs.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        if "TF_CONFIG" not in os.environ:
            _split_the_cpu()
    whole = job.get("network") == "whole"
    trainer.loop_setup.build_model = _build_whole if whole else build_small
    if "code" in job:
        exec(job["code"], {"job": job})


def _split_the_cpu() -> None:
    """So that later runs in the same process can have two replicas."""
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )


def _note_steps(step: Callable[..., None]) -> None:
    from trainer.loop import Loop

    _before(Loop, "train", lambda loop, batch, count, progress, *_: step(_told(batch, progress)))
    _before(Loop, "_eval_step", lambda *_: step("evaluate"))
    _before(os, "fsync", lambda descriptor: step("fsync", str(descriptor)))

    def entry(archive: zipfile.ZipFile, name: Any, mode: str = "r", *_: Any, **__: Any) -> None:
        if mode == "w" and "step-" in str(archive.filename or getattr(archive.fp, "name", "")):
            step("entry", getattr(name, "filename", name))

    _before(zipfile.ZipFile, "open", entry)
    function = io.open

    def opened(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        stream = function(file, mode, *arguments, **options)
        if mode[0] in "wxa" and not isinstance(file, int):
            step("opened", os.fspath(file))
        return stream

    builtins.open = io.open = opened
    if sys.version_info < (3, 11):  # whose paths hold on to the first `io.open`
        pathlib._NormalAccessor.open = staticmethod(opened)


def _told(batch: Any, progress: Any) -> str:
    import tensorflow as tf

    value = 0
    for tensor in tf.nest.flatten(batch, expand_composites=True):
        for local in tf.distribute.get_strategy().experimental_local_results(tensor):
            for part in getattr(local, "values", (local,)):
                value = zlib.crc32(part.numpy().tobytes(), value)
    return f"train {int(progress.step) + 1} {value:08x}"


def _before(place: Any, name: str, call: Callable[..., None]) -> None:
    function = getattr(place, name)

    def wrapped(*arguments: Any, **options: Any) -> Any:
        call(*arguments, **options)
        return function(*arguments, **options)

    setattr(place, name, wrapped)
