"""Messages name a path as the user did, whatever it became on its way."""

import dataclasses

import pytest

from pipelines.runtime.console import as_typed, typed_paths


@dataclasses.dataclass(frozen=True)
class Config:
    data_dir: str = "data"
    run_dir: str | None = None
    count: int = 3


@pytest.fixture
def home(monkeypatch, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    return home


def test_home_and_relative_and_linked_paths(home, tmp_path):
    (tmp_path / "linked").symlink_to(home)
    config = Config("linked/set", "~/runs/a")
    typed = typed_paths(config)
    for changed, shown in (
        (f"received '{home}/runs/a', which", "received '~/runs/a', which"),
        (f"--run_dir={home}/runs/a.", "--run_dir=~/runs/a."),
        (f"{home}/runs/a/model.keras", "~/runs/a/model.keras"),
        (f"{home}/set", "linked/set"),
        (f"{tmp_path}/linked/set", "linked/set"),
    ):
        assert as_typed(changed, typed) == shown


def test_other_paths_stay(home):
    typed = typed_paths(Config("/", "~/runs/a"))
    for text in (f"{home}/runs/ab", f"{home}/runs/a.cache", f"/mnt{home}/runs/a", "runs/a"):
        assert as_typed(text, typed) == text


def test_what_is_no_local_path_is_left_alone(home):
    assert typed_paths(Config("gs://bucket/set", "")) == {}
    assert typed_paths(Config("/abs", str(home))) == {}
