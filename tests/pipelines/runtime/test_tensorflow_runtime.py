"""Which messages of libraries are shown, and what the garbage collector is spared."""

import logging
import os
import subprocess
import sys
import warnings

import pytest
from absl import logging as absl_logging

from pipelines.runtime.tensorflow_runtime import set_library_messages


@pytest.fixture(autouse=True)
def kept(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "1")  # so that it is put back
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    root, tensorflow = logging.getLogger(), logging.getLogger("tensorflow")
    handlers, levels = list(root.handlers), (root.level, tensorflow.level)
    verbosity = absl_logging.get_verbosity()
    with warnings.catch_warnings():
        yield
    absl_logging.set_verbosity(verbosity)
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    tensorflow.setLevel(levels[1])


@pytest.mark.parametrize(
    ("verbosity", "core", "absl"),
    [
        ("error", None, absl_logging.ERROR),
        ("info", "0", absl_logging.INFO),
        ("debug", "0", absl_logging.DEBUG),
    ],
)
def test_levels(verbosity, core, absl):
    set_library_messages(verbosity)
    assert os.environ.get("TF_CPP_MIN_LOG_LEVEL") == core
    assert absl_logging.get_verbosity() == absl


def test_error_hides_pythons_warnings(capsys):
    set_library_messages("error")
    warnings.warn("it is old", DeprecationWarning, stacklevel=1)
    logging.getLogger("tensorflow").warning("beware")
    assert capsys.readouterr().err == ""


def test_the_users_own_level_stays(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    set_library_messages("debug")
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "2"


@pytest.mark.parametrize("level", [None, "3"])
def test_what_the_import_makes_is_left_to_the_garbage_collector_no_more(level):
    program = (
        "import gc; from pipelines.runtime.tensorflow_runtime import import_tensorflow;"
        "import_tensorflow();"
        "print(gc.isenabled(), gc.get_freeze_count() > len(gc.get_objects()))"
    )
    set_by_user = {} if level is None else {"TF_CPP_MIN_LOG_LEVEL": level}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, **set_by_user},
    )
    assert (done.returncode, done.stdout) == (0, "True True\n"), done.stderr


def test_an_import_that_fails_leaves_the_garbage_collector_as_it_was(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('libcudart')")
    program = (
        "import gc; from pipelines.runtime.tensorflow_runtime import import_tensorflow\n"
        "before = gc.get_freeze_count()\n"  # from Python 3.12 on not 0
        "try: import_tensorflow()\n"
        "except ImportError: print(gc.isenabled(), gc.get_freeze_count() - before)"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert (done.returncode, done.stdout) == (0, "True 0\n"), done.stderr


@pytest.mark.parametrize("stop", ["KeyboardInterrupt", "SystemExit(143)"])
def test_a_stop_that_a_native_module_turns_into_an_import_error_is_a_stop(tmp_path, stop):
    (tmp_path / "tensorflow.py").write_text(
        "try: raise ImportError('initialization failed') from " + stop + "\n"
        "except ImportError as error: raise ImportError('Failed to load') from error"
    )
    program = (
        "from pipelines.runtime.tensorflow_runtime import import_tensorflow\n"
        "try: import_tensorflow()\n"
        "except (KeyboardInterrupt, SystemExit) as error: print(repr(error))"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{stop.partition('(')[0]}({'143' if '143' in stop else ''})\n"
