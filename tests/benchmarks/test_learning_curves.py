"""The script that trains on shares of the images: what it draws, for how long it trains."""

import json
import re
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import image_shares, learning_curves
from benchmarks.image_shares import ImageShares, draw_share
from pipelines.make_tfrecords import ConvertConfig
from pipelines.runtime.command import define_flags, parse_config
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import Shard, Split
from trainer.config import TrainConfig

COUNTS = {"Faces": 326, "Leopards": 150, "Motorbikes": 598, "airplanes": 600}
NAMES = [f"{name}/{number:04}.jpg" for name, count in COUNTS.items() for number in range(count)]


def classes_of(names):
    return Counter(name.split("/")[0] for name in names)


def test_shares_are_stratified_and_nested():
    shares = {percent: draw_share(NAMES, percent, seed=0) for percent in (10, 25, 50, 100)}
    assert classes_of(shares[10]) == {
        "Faces": 33, "Leopards": 15, "Motorbikes": 60, "airplanes": 60
    }  # fmt: skip
    assert set(shares[10]) < set(shares[25]) < set(shares[50]) < set(shares[100]) == set(NAMES)
    assert all(len(set(share)) == len(share) for share in shares.values())


def test_a_draw_depends_on_the_seed_and_not_on_the_order_of_names():
    assert draw_share(NAMES[::-1], 10, seed=0) == draw_share(NAMES, 10, seed=0)
    assert set(draw_share(NAMES, 10, seed=1)) != set(draw_share(NAMES, 10, seed=0))
    assert classes_of(draw_share(["a/1.jpg", "a/2.jpg", "b/1.jpg"], 1, 0)) == {"a": 1, "b": 1}


def test_smaller_shares_get_the_steps_of_the_whole():
    config = TrainConfig(epochs=14, batch_size=32)
    epochs = {
        images: learning_curves.epochs_for(config, images, 1674) for images in (168, 837, 1674)
    }
    assert epochs == {168: 146, 837: 28, 1674: 14}
    with pytest.raises(InputError, match="received a share of 31 images"):
        learning_curves.epochs_for(config, 31, 1674)


def convert_here(source, data_dir, *arguments):
    """As the command does it with these flags, without a process."""
    from pipelines.conversion.convert import convert
    from pipelines.sources import open_source

    config = parse_config(ConvertConfig, define_flags(ConvertConfig), ["", *arguments])
    return convert(open_source(str(source)), config.settings(), data_dir)


def test_the_test_split_is_the_same_whole_one_for_all_shares(image_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(image_shares, "converted", convert_here)
    shares = ImageShares(image_folder, tmp_path)
    whole_dir, whole = shares.of(100, seed=0)
    data_dir, manifest = shares.of(50, seed=0)
    assert manifest.splits["train"].class_counts == (3, 3, 3)
    assert whole.splits["train"].class_counts == (6, 6, 6)
    test, train = (names_in(data_dir, part) for part in ("test", "train"))
    assert test == names_in(whole_dir, "test") and len(test) == 6
    assert train < names_in(whole_dir, "train")
    monkeypatch.setattr(image_shares, "converted", lambda *_: manifest)
    assert shares.of(50, seed=0) == (data_dir, manifest)  # links anew over what is there
    links = {path.name for path in (data_dir.parent / "images/train").glob("*/*")}
    assert links == {Path(name.decode()).name for name in train}


def names_in(data_dir, part):
    """What TensorFlow need not read: the features' bytes hold the names as they are."""
    data = b"".join(path.read_bytes() for path in data_dir.glob(f"*-{part}.tfrecord-*"))
    return set(re.findall(rb"(?:circles|lines|squares)/image_\d{4}\.jpg", data))


class TwoShares:
    """In place of the sets: 18 images, and 9."""

    training_images, smallest_class = 18, "circles"

    def __init__(self, source, work_dir):
        self.work_dir = work_dir

    def of(self, percent, seed):
        split = Split((percent * 18 // 100,), (Shard("one", percent * 18 // 100, 1, ""),))
        return self.work_dir / f"{percent}-{seed}" / "set", SimpleNamespace(splits={"train": split})


def test_it_tells_and_draws_what_each_recipe_comes_to(image_folder, tmp_path, monkeypatch, capsys):
    trained = []

    def train(configs, data_dir, runs_dir):
        trained.extend((config.seed, config.epochs, data_dir.parent.name) for config in configs)
        accuracy = 0.5 + 0.1 * configs[0].seed
        return [{"accuracy": accuracy, "per_class": {"circles": {"recall": 0.25}}}]

    (tmp_path / "tiny.flags").write_text("--epochs=2\n--batch_size=4\n")
    monkeypatch.setattr(learning_curves, "trained", train)
    monkeypatch.setattr(learning_curves, "ImageShares", TwoShares)
    flags = {
        "source": image_folder,
        "work_dir": tmp_path / "work",
        "json": tmp_path / "curves.json",
        "plot": tmp_path / "curves.png",
        "recipes": tmp_path / "tiny.flags",
        "shares": "100,50",
        "seeds": "0,1",
    }
    monkeypatch.setattr(sys, "argv", ["curves", *(f"--{k}={v}" for k, v in flags.items())])
    learning_curves.main()
    # 2 epochs of 4 steps of the 18 images; a share of 9 has 2 steps.
    assert trained == [(0, 4, "50-0"), (1, 4, "50-1"), (0, 2, "100-0"), (1, 2, "100-1")]
    table = [line.split("|") for line in capsys.readouterr().out.splitlines() if " % " in line]
    assert [[cell.strip() for cell in line[2:-1]] for line in table[-2:]] == [
        ["50 %", "9", "4", "2", "55.00 ± 7.07", "25.00 ± 0.00"],
        ["100 %", "18", "2", "2", "55.00 ± 7.07", "25.00 ± 0.00"],
    ]
    points = json.loads((tmp_path / "curves.json").read_text())["points"]
    assert [point["accuracies"] for point in points] == [[0.5, 0.6]] * 2
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "flag", ["--shares=0,10", "--shares=10,10", "--shares=101", "--plot=a.jpg"]
)
def test_it_refuses_what_cannot_be(image_folder, tmp_path, monkeypatch, capsys, flag):
    flags = [f"--source={image_folder}", f"--work_dir={tmp_path}", flag]
    monkeypatch.setattr(sys, "argv", ["curves", *flags])
    with pytest.raises(SystemExit) as caught:
        learning_curves.main()
    assert caught.value.code == 2
    assert "expected" in capsys.readouterr().err
