"""Which messages of libraries are shown."""

import logging
import os
import warnings

import pytest
from absl import logging as absl_logging

from pipelines.quiet_tensorflow import set_library_messages


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
