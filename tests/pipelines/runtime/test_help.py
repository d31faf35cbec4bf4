"""`--help` of every command: what it holds, in which order, and how wide it is."""

import dataclasses
import importlib
import textwrap
from typing import ClassVar

import pytest

from pipelines.runtime.command import define_flags, help_text, option, parse_config

COMMANDS = {
    "pipelines.make_tfrecords": "ConvertConfig",
    "pipelines.verify": "VerifyConfig",
    "pipelines.inspect": "InspectConfig",
    "pipelines.data_service": "ServiceConfig",
    "trainer.main": "MainConfig",
    "trainer.launch": "LaunchConfig",
    "trainer.benchmark": "BenchmarkConfig",
    "trainer.preview": "PreviewConfig",
    "trainer.evaluate": "EvaluateConfig",
    "trainer.predict": "PredictConfig",
    "trainer.export": "ExportConfig",
    "trainer.compare": "CompareConfig",
    "trainer.study": "StudyConfig",
}


@dataclasses.dataclass(frozen=True)
class Config:
    GROUPS: ClassVar[tuple[str, ...]] = ("First", "Second")

    late: int = option(1, "It comes later.", group="Second")
    words: tuple[str, ...] = option((), "None of them.", group="Unnamed")
    early: str = option("x", "It comes " + "soon " * 30, group="First")


def text_of(config_class, purpose="Greets.", **keywords):
    return help_text("greet", purpose, config_class, **keywords)


def test_groups_come_in_the_order_that_the_config_names():
    lines = text_of(Config).splitlines()
    groups = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert groups == ["First:", "Second:", "Unnamed:", "Other:"]


def test_defaults_are_shown_where_there_are_some():
    text = text_of(Config)
    assert "It comes later. (default: 1)" in text
    assert "      None of them.\n" in text


@pytest.mark.parametrize("columns", [60, 90])
def test_texts_are_wrapped_and_examples_stay(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    example = "    greet --early=" + "y" * 90
    purpose = f"Greets.\n\n{example}\n\nIt is\n{'long ' * 40}"
    lines = text_of(Config, purpose).splitlines()
    assert example in lines
    longest = max(len(line) for line in lines if line != example)
    assert columns - 10 < longest <= columns


def test_the_short_help_names_the_flags(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = text_of(Config, short=True)
    assert "First:\n  --early=VALUE\n" in text and "It comes" not in text
    assert text.endswith("greet --help says what they do.")


def test_verbosity_is_a_flag_and_no_field():
    flag_values = define_flags(Config)
    assert parse_config(Config, flag_values, ["greet", "--verbosity=info"]) == Config()
    assert flag_values["verbosity"].value == "info"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_and_fits_into_80_columns(monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    module = importlib.import_module(name)
    config_class = getattr(module, COMMANDS[name])
    purpose, example = module.__doc__.split("\n\n")[:2]
    assert f"python -m {name}" in textwrap.dedent(example).splitlines()[0]
    text = help_text(f"python -m {name}", module.__doc__, config_class)
    assert " ".join(text.split()).startswith(" ".join(purpose.split()))
    assert "--flagfile=my.flags" in text and "--verbosity=error|warning|info|debug" in text
    for line in text.partition("usage:")[2].splitlines():
        assert len(line) <= 80
    groups = {field.metadata.get("group") for field in dataclasses.fields(config_class)} - {None}
    named = getattr(config_class, "GROUPS", groups)
    assert set(named) == groups
