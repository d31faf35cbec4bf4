"""The bar of an epoch, as it is drawn on terminals of several widths."""

import io
import sys

import pytest

from pipelines.runtime import console
from trainer.epoch_bar import EpochBar
from trainer.time_left import TimeLeft


@pytest.fixture
def time_left():
    times = iter([0.0, 2.0])
    left = TimeLeft(0, 62, 31, lambda: next(times))
    left.after_steps(1)
    left.after_steps(2)
    return left


@pytest.mark.parametrize(("columns", "has_rate"), [(80, False), (100, True)])
def test_it_shows_the_time_left_of_epoch_and_run(monkeypatch, time_left, columns, has_rate):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(console, "columns", lambda stream: columns)
    with EpochBar(3, 14, images=992, done=32) as bar:
        bar.show(64, loss=0.5, accuracy=0.25, time_left=time_left)
        text = str(bar)
    assert text.startswith("epoch  3/14   6%|") and "| left " in text
    assert ", run 2:00, loss 0.5000, accuracy 0.2500" in text
    assert text.endswith(" images/s") is has_rate
    assert len(text.replace(text.partition("|")[2].partition("|")[0], "")) < columns


def test_there_is_none_elsewhere(monkeypatch, time_left):
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    with EpochBar(1, 1, images=64, done=0) as bar:
        bar.show(32, loss=0.5, accuracy=0.25, time_left=time_left)
    assert bar.disable and stderr.getvalue() == ""
