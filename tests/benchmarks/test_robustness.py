"""The table of accuracy on changed images: its rows, its columns, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import robustness
from benchmarks.image_changes import CHANGES
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import ShardedDataset

SIZE = 14  # a reduced decode of 40x30 pixels to half of that is no smaller


@pytest.fixture(scope="module")
def make_run(tmp_path_factory):
    """Makes a run directory with a linear model of random weights, which answers anything."""

    def make(seed, decode_ratio=1, class_names=("circles", "lines", "squares")):
        import keras

        from trainer.model_description import ModelDescription
        from trainer.trained_model import save_trained_model

        layers = keras.layers
        weights = keras.initializers.RandomNormal(stddev=0.3, seed=seed)
        model = keras.Sequential(
            [
                keras.Input((SIZE, SIZE, 3)),
                layers.Rescaling(1, offset=-0.5),  # else the same class for nearly all
                layers.Flatten(),
                layers.Dense(len(class_names), "softmax", kernel_initializer=weights),
            ]
        )
        run_dir = tmp_path_factory.mktemp("run")
        description = ModelDescription(
            "", class_names, SIZE, decode_ratio, "d", "f", "float32", 0, 0
        )
        save_trained_model(run_dir, model, description)
        return run_dir

    return make


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_a_change_and_a_column_a_recipe(make_run, data_dir, tmp_path, capsys):
    first, second, reduced = make_run(1), make_run(2), make_run(3, decode_ratio=2)
    found, grid = tmp_path / "found.json", tmp_path / "grid.png"
    robustness.main(
        [f"a={first},{second}", str(reduced), f"--data_dir={data_dir}", "--split=train"]
        + [f"--json={found}", f"--grid={grid}"]
    )
    printed = capsys.readouterr()
    table = [cells(line) for line in printed.out.splitlines() if line.startswith("| ")]
    assert table[0] == ["change", "a, 2 runs", str(reduced)]
    assert [row[0] for row in table[1:]] == list(CHANGES)
    runs = json.loads(found.read_text())["runs"]
    both = [runs["a"][str(run)]["as it is"]["accuracy"] for run in (first, second)]
    assert both[0] != both[1]
    assert table[1][1] == f"{50 * sum(both):.2f} ({100 * min(both):.2f})"
    assert len(printed.err.splitlines()) == 2 + 3  # two ways of decoding, three runs
    assert grid.read_bytes().startswith(b"\x89PNG")
    for run, figures in [*runs["a"].items(), (str(reduced), runs[str(reduced)][str(reduced)])]:
        assert figures["as it is"] == evaluated(run, data_dir, tmp_path)
        # Other images, other answers: of 18 (or 36) random ones not all counts are alike.
        assert len({tuple(change["recall"].values()) for change in figures.values()}) > 3


def evaluated(run_dir, data_dir, tmp_path):
    """What `trainer.evaluate` says of the images as they are."""
    from trainer.evaluate import EvaluateConfig, main

    output = tmp_path / "evaluations" / Path(run_dir).name
    places = {"run_dir": str(run_dir), "data_dir": str(data_dir), "output_dir": str(output)}
    main(EvaluateConfig(**places, split="train", pictures=False))
    report = json.loads((output / "report.json").read_text())
    return {
        "accuracy": pytest.approx(report["accuracy"]),
        "macro_f1": pytest.approx(report["macro_f1"]),
        "recall": {n: pytest.approx(c["recall"]) for n, c in report["per_class"].items()},
    }


def test_images_are_changed_before_they_are_stretched(data_dir):
    import tensorflow as tf

    from benchmarks.changed_split import changed_split
    from pipelines.loading.decode import decode_to_pixels
    from pipelines.tfrecords.manifest import load_manifest
    from pipelines.tfrecords.reader import picked_examples
    from trainer.asking.asked_data import StoredData

    manifest = load_manifest(data_dir)
    split = changed_split(StoredData(ShardedDataset(data_dir, manifest), "test"), SIZE, 1)
    examples = picked_examples(ShardedDataset(data_dir, manifest), "test", range(6))
    assert split.labels.tolist() == [example.label for example in examples]
    assert list(split.images) == list(CHANGES)
    for number, example in enumerate(examples):
        whole = np.frombuffer(decode_to_pixels(example.image, SIZE), np.uint8)
        assert split.images["as it is"][0, number].tobytes() == whole.tobytes()
        padded = split.images["padded to a square"][0, number]
        assert not padded[[0, 1, -1, -2]].any() and padded[3:11].any()
        picture = tf.io.decode_jpeg(example.image).numpy()
        assert picture.shape == (30, 40, 3)
        halved = picture.reshape(15, 2, 20, 2, 3).mean(axis=(1, 3))
        stretched = tf.image.resize(halved, (SIZE, SIZE)).numpy()
        assert np.abs(split.images["half the resolution"][0, number] - stretched).max() <= 1


def test_columns_are_directories_or_names_of_several(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("study/epochs=2,seed=0").mkdir(parents=True)
    study = "study/epochs=2,seed=0"
    assert robustness.columns_of(["a=x,y", study, "runs/b", "a=z"]) == {
        "a": [Path("x"), Path("y"), Path("z")],
        study: [Path(study)],
        "runs/b": [Path("runs/b")],
    }
    assert robustness.columns_of([f"a={study}"]) == {"a": [Path(study)]}


@pytest.mark.parametrize("run", ["a=", "=x", "a=x,,y"])
def test_a_column_lacks_nothing(run):
    with pytest.raises(InputError) as refused:
        robustness.columns_of([run])
    assert f"{run!r}, expected" in str(refused.value)


def test_a_run_counts_once():
    with pytest.raises(InputError, match="the run x/../y twice"):
        robustness.columns_of(["a=y", "b=x/../y"])


@pytest.mark.parametrize(
    "change, received",
    [
        ({"runs": ["nowhere"]}, "nowhere, which does not exist"),
        ({"split": "validation"}, "--split=validation"),
        ({"classes": ("a", "b", "c")}, "the classes circles, lines, squares"),
        ({"encoding": "raw"}, "which holds pixels of one size"),
        ({"grid": "nowhere/grid.png"}, "--grid=nowhere/grid.png"),
    ],
)
def test_what_it_cannot_use_it_names_in_one_line(
    make_run, data_dir, make_finished_set, capsys, change, received
):
    names = {"class_names": change["classes"]} if "classes" in change else {}
    runs = change.get("runs") or [str(make_run(1, **names))]
    if "encoding" in change:
        data_dir = make_finished_set(encoding="raw", image_size=SIZE)
    flags = [f"--data_dir={data_dir}", f"--split={change.get('split', 'test')}"]
    flags += [f"--grid={change['grid']}"] if "grid" in change else []
    with pytest.raises(SystemExit) as ended:
        robustness.main([*runs, *flags])
    message = str(ended.value.code)
    assert received in message and "expected" in message and "\n" not in message
    assert capsys.readouterr().out == ""
