"""The command trainer.compare, its tables and its figure."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from pipelines.runtime.errors import InputError
from tests.trainer.made_runs import make_run
from trainer.compare import CompareConfig, main
from trainer.comparison.groups import grouped, standard_deviation
from trainer.comparison.runs import read_runs
from trainer.comparison.table import Column, csv_table, markdown_table, share, text_table


@pytest.fixture
def compare(tmp_path, capsys):
    """Compares all runs in tmp_path/runs; gives the lines that are printed."""

    def compare(**config):
        main(CompareConfig(runs=(str(tmp_path / "runs"),), **config))
        return capsys.readouterr().out.splitlines()

    return compare


def test_a_row_for_each_run(compare, tmp_path):
    make_run(tmp_path / "runs" / "first", (0.5, 0.75))
    make_run(tmp_path / "runs" / "third", (0.25, 0.875), downsampling="max_pool", seed=4)
    files = {"csv": f"{tmp_path}/t.csv", "json": f"{tmp_path}/t.json"}
    head, *rows = compare(**files)
    assert head.split("   ")[0].strip() == "run"
    assert [row.split() for row in rows] == [
        "first 0 stride 90.00% 0.8765 75.00% 0.2500 1,000 2,000 100 61".split(),
        "third 4 max_pool 90.00% 0.8765 87.50% 0.1250 1,000 2,000 100 61".split(),
    ]
    written = list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text())))
    assert written[1]["last_validation_accuracy"] == "0.875"
    document = json.loads((tmp_path / "t.json").read_text())
    assert document[0] == {
        "run": "first",
        "seed": 0,
        "downsampling": "stride",
        "test_accuracy": 0.9,
        "macro_f1": 0.8765,
        "last_validation_accuracy": 0.75,
        "last_validation_loss": 0.25,
        "parameters": 1000,
        "multiply_adds": 2000,
        "images_per_second": 100.0,
        "seconds": 61.4,
    }
    assert list(written[0]) == list(document[0])


def test_runs_without_a_report_are_shown_as_such(compare, tmp_path):
    make_run(tmp_path / "runs" / "a")
    make_run(tmp_path / "runs" / "b", (0.5,), finished=False, epochs=2)
    make_run(tmp_path / "runs" / "c", (), finished=False, epochs=2)
    lines = compare()
    assert [line.split() for line in lines[2:4]] == [
        "b - - 50.00% 0.5000 - - 100 -".split(),
        "c - - - - - - - -".split(),
    ]
    assert lines[4:] == [
        "Not finished, and without a report:",
        "  b, 1 of 2 epochs, as its newest checkpoint has it",
        "  c, no epoch saved yet",
    ]


def test_runs_on_other_data_are_marked(compare, tmp_path):
    make_run(tmp_path / "runs" / "a")
    make_run(tmp_path / "runs" / "b", data="b" * 64)
    make_run(tmp_path / "runs" / "c", split="test")
    lines = compare()
    assert [line.split()[1:4] for line in lines[1:4]] == [
        ["pets", "aaaaaaaa", "validation"],
        ["pets", "bbbbbbbb", "validation"],
        ["pets", "aaaaaaaa", "test"],
    ]
    assert lines[4:] == [
        "On other data or splits than a; their figures do not compare with it:",
        "  b",
        "  c",
    ]


def test_runs_of_one_name_are_told_apart(compare, tmp_path):
    for parent in ("x", "y"):
        make_run(tmp_path / parent / "run")
    runs = read_runs([str(tmp_path / "x"), str(tmp_path / "y")])
    assert len({group.label for group in grouped(runs)}) == 2


@pytest.mark.parametrize("file_format", ["png", "pdf", "svg"])
def test_the_figure_has_a_colour_for_each_combination(compare, tmp_path, file_format):
    for seed in (0, 1):
        make_run(tmp_path / "runs" / f"a{seed}", (0.5, 0.75 + seed / 8), seed=seed)
        make_run(tmp_path / "runs" / f"b{seed}", (0.25, 0.5), seed=seed, init="orthogonal")
    path = tmp_path / f"plot.{file_format}"
    compare(plot=str(path))
    heads = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
    assert path.read_bytes().startswith(heads[file_format])
    if file_format == "png":
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
        first, second, third = ((31, 119, 180), (255, 127, 14), (44, 160, 44))
        near = [np.abs(pixels - colour).sum(axis=1).min() for colour in (first, second, third)]
        assert near[0] < 10 and near[1] < 10 and near[2] > 100


def test_no_figure_of_nothing(compare, tmp_path):
    make_run(tmp_path / "runs" / "a", (), finished=False, epochs=2)
    with pytest.raises(InputError) as caught:
        compare(plot=str(tmp_path / "plot.png"))
    assert "for 1 runs without an evaluated epoch" in str(caught.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"runs": ()}, "received no run, expected run directories"),
        ({"runs": ("a",), "plot": "plot.jpg"}, "received --plot=plot.jpg, expected a file name"),
        ({"runs": ("a",), "plot": "foopng"}, "received --plot=foopng, expected a file name"),
    ],
)
def test_wrong_usage(config, message):
    with pytest.raises(InputError) as caught:
        CompareConfig(**config)
    assert message in str(caught.value)


def test_a_file_that_cannot_be_written_is_named_before_anything_is_read(tmp_path):
    with pytest.raises(InputError) as caught:
        main(CompareConfig(runs=("/nowhere",), csv=f"{tmp_path}/none/t.csv"))
    assert str(caught.value).startswith(f"received --csv={tmp_path}/none/t.csv, which cannot be")


def test_runs_that_differ_in_their_seeds_alone_are_a_group(tmp_path):
    for name, flags in {"a": {"seed": 1}, "b": {"l2": 0.5}, "c": {"seed": 2}}.items():
        make_run(tmp_path / name, **flags)
    groups = grouped(read_runs([str(tmp_path)]))
    assert [(group.label, [run.name for run in group.runs]) for group in groups] == [
        ("l2=0", ["a", "c"]),
        ("l2=0.5", ["b"]),
    ]
    assert [group.label for group in grouped(read_runs([f"{tmp_path}/a", f"{tmp_path}/c"]))] == [
        "seed=1",
        "seed=2",
    ]


def test_the_standard_deviation_is_that_of_a_sample():
    values = [0.5, 0.75, 0.875]
    assert standard_deviation(values) == pytest.approx(np.std(values, ddof=1))
    assert standard_deviation([0.5]) is None


COLUMNS = [Column("name", ["a|b", "c"]), Column("images/s", [None, 0.5], share)]


def test_tables():
    assert text_table(COLUMNS).splitlines() == [
        "name   images/s",
        "a|b           -",
        "c        50.00%",
    ]
    assert markdown_table(COLUMNS).splitlines() == [
        "| name | images/s |",
        "| --- | ---: |",
        "| a\\|b | - |",
        "| c | 50.00% |",
    ]
    assert csv_table(COLUMNS) == "name,images_per_second\na|b,\nc,0.5\n"
