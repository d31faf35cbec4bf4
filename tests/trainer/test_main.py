"""What the command sees to before it trains, and what it does not blame on the run directory."""

from unittest import mock

import pytest

from pipelines.runtime.errors import InputError
from trainer.config import TrainConfig
from trainer.main import MainConfig, main
from trainer.run_output import RunOutput


@pytest.fixture
def train(monkeypatch):
    train = mock.Mock()
    monkeypatch.setattr("trainer.train.train", train)
    monkeypatch.setattr("trainer.main.keep_freed_memory", lambda: None)
    return train


def test_a_cluster_that_is_not_used_is_told_of(train, monkeypatch, capsys):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {}}')
    main(MainConfig(strategy="mirrored"))
    (line,) = capsys.readouterr().err.splitlines()
    assert "TF_CONFIG is set, but --strategy=mirrored trains in this process alone" in line
    assert train.called


def test_one_process_says_nothing(train, monkeypatch, capsys):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    main(MainConfig())
    assert capsys.readouterr().err == "" and train.called


def test_an_output_that_nobody_reads_is_no_fault_of_the_run_directory():
    with pytest.raises(BrokenPipeError), RunOutput.failing(mock.Mock()):
        raise BrokenPipeError


def test_a_dry_run_of_several_workers_is_refused():
    with pytest.raises(InputError, match="--dry_run with --strategy=multi_worker, expected a str"):
        MainConfig(dry_run=True, strategy="multi_worker")


def test_a_dry_run_trains_nothing(train, monkeypatch):
    dry_run = mock.Mock()
    monkeypatch.setattr("trainer.rehearsal.dry_run.dry_run", dry_run)
    main(MainConfig(dry_run=True, epochs=3))
    assert not train.called
    dry_run.assert_called_once_with(TrainConfig(epochs=3))
