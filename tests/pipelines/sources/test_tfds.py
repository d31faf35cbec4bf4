import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from pipelines.conversion.convert import convert
from pipelines.sources import SourceImage, open_source
from pipelines.tfrecords.manifest import Settings

IMAGE = tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg")
ENCODED = {"image": tfds.decode.SkipDecoding()}
LABEL = tfds.features.ClassLabel(names=["dogs", "cats", "never seen"])

Examples = dict[str, list[dict[str, Any]]]


@pytest.fixture
def make_set(tmp_path: Path) -> Callable[..., str]:
    """Prepares a set from features and examples by split; gives the source that names it."""

    def make(features: dict[str, Any], examples: Examples, **options: Any) -> str:
        class Pets(tfds.core.GeneratorBasedBuilder, skip_registration=True):
            VERSION = tfds.core.Version("1.0.0")

            def _info(self) -> tfds.core.DatasetInfo:
                return self.dataset_info_from_configs(
                    features=tfds.features.FeaturesDict(features), **options
                )

            def _split_generators(self, manager: Any) -> dict[str, Any]:
                return {split: self._generate_examples(split) for split in examples}

            def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
                yield from enumerate(examples[split])

        builder = Pets(data_dir=tmp_path / "tensorflow_datasets")
        builder.download_and_prepare()
        return f"tfds:{builder.data_dir}"

    return make


@pytest.fixture
def write_jpegs(tmp_path: Path, make_jpeg: Callable[..., bytes]) -> Callable[[int], list[str]]:
    def write(count: int) -> list[str]:
        paths = [tmp_path / f"{seed}.jpg" for seed in range(count)]
        for seed, path in enumerate(paths):
            path.write_bytes(make_jpeg(seed))
        return list(map(str, paths))

    return write


def _examples(paths: list[str], **features: list[Any]) -> list[dict[str, Any]]:
    rows = [dict(zip(features, row, strict=True)) for row in zip(*features.values(), strict=True)]
    return [{"image": path, **row} for path, row in zip(paths, rows, strict=True)]


def _images(source: str, *arguments: object) -> list[SourceImage]:
    return list(open_source(source, *arguments).images())


def test_a_set_with_splits(make_set, write_jpegs):
    paths = write_jpegs(8)
    examples = {
        "train": _examples(paths[:4], label=["cats", "dogs", "cats", "cats"]),
        "val": _examples(paths[4:6], label=["cats", "dogs"]),
        "test": _examples(paths[6:], label=["dogs", "cats"]),
        "unlabeled": _examples(paths[:1], label=[-1]),
    }
    examples["train"] += _examples(paths[:1], label=[-1])
    source = open_source(make_set({"image": IMAGE, "label": LABEL}, examples))
    assert (source.kind, source.name, source.dataset_name) == ("tfds", "pets", "pets")
    assert list(source.split_counts.items()) == [
        ("train", {"cats": 3, "dogs": 1}),
        ("test", {"cats": 1, "dogs": 1}),
        ("validation", {"cats": 1, "dogs": 1}),
    ]
    assert source.ignored_files == {
        "example of the split 'unlabeled'": 1, "example without a label": 1,
    }  # fmt: skip
    images = list(source.images())
    # The bytes as they came, not decoded and encoded anew.
    assert {image.read() for image in images} == {Path(path).read_bytes() for path in paths}
    assert [image.split for image in images] == ["train"] * 4 + ["test"] * 2 + ["validation"] * 2
    assert len({image.file_name for image in images}) == 8
    assert all(image.file_name.split("/")[0] in ("train", "val", "test") for image in images)
    for class_name in ("cats", "dogs"):
        chosen = [image for image in images if image.class_name == class_name]
        assert len(chosen) == source.class_counts[class_name]


def test_every_pass_gives_the_same(make_set, write_jpegs):
    paths = write_jpegs(30)
    examples = {"train": _examples(paths, label=["cats", "dogs"] * 15)}
    source = make_set({"image": IMAGE, "label": LABEL}, examples)
    passes = [[(*image[:2], image.read()) for image in _images(source)] for _ in range(2)]
    assert passes[0] == passes[1]
    assert [name for _, name, _ in passes[0]] == [f"train/{number:08}" for number in range(30)]


def test_a_single_split_divides_nothing(make_set, write_jpegs):
    examples = {"train": _examples(write_jpegs(2), label=["cats", "dogs"])}
    source = open_source(make_set({"image": IMAGE, "label": LABEL}, examples))
    assert source.split_counts == {"": {"cats": 1, "dogs": 1}}
    assert {image.split for image in source.images()} == {""}


@pytest.mark.parametrize("feature", ["file_name", "image/filename", "id"])
@pytest.mark.parametrize(
    ("own_names", "expected"),
    [
        (["a", "b", "c", "d"], ["a", "b", "c", "d"]),
        (["a", "a", "b", "a"], ["train/cats/a", "train/dogs/a", "train/dogs/b", "test/cats/a"]),
        (["a", "b", "b", "a"], ["train/00000000", "train/00000001", "train/00000002",
                                "test/00000000"]),
    ],
)  # fmt: skip
def test_file_names(feature: str, own_names: list, expected: list, make_set, write_jpegs):
    paths = write_jpegs(5)
    columns = {"label": ["cats", "dogs", "dogs"], feature: own_names[:3]}
    examples = {
        "train": _examples(paths[:3], **columns),
        "test": _examples(paths[3:], **{"label": ["cats", "dogs"], feature: [own_names[3], "z"]}),
    }
    features = {"image": IMAGE, "label": LABEL, feature: tfds.features.Text()}
    images = {image.read(): image for image in _images(make_set(features, examples))}
    names = [images[Path(path).read_bytes()].file_name for path in paths[:4]]
    if "train/00000000" in expected:  # TFDS shuffles what it prepares: which is which is not known
        assert sorted(names[:3]) == expected[:3] and names[3].startswith("test/0000000")
    else:
        assert names == expected


def test_names_that_are_no_utf8_or_numbers(make_set, write_jpegs):
    features = {"image": IMAGE, "label": LABEL, "file_name": tfds.features.Text()}
    examples = _examples(write_jpegs(2), label=["cats", "dogs"], file_name=[b"\xff", "b"])
    images = _images(make_set(features, {"train": examples}))
    assert {image.file_name for image in images} == {os.fsdecode(b"\xff"), "b"}


def test_our_own_set_is_a_source_again(data_dir: Path, image_folder: Path):
    original = {image.file_name: image.read() for image in _images(str(image_folder))}
    source = open_source(f"tfds:{data_dir}")
    assert (source.dataset_name, source.class_names) == ("shapes", ("circles", "lines", "squares"))
    assert {split: sum(counts.values()) for split, counts in source.split_counts.items()} == {
        "train": 18, "test": 6,
    }  # fmt: skip
    images = list(source.images())
    assert {image.file_name: image.read() for image in images} == original
    assert all(image.file_name.split("/")[0] == image.class_name for image in images)


def test_a_set_of_theirs_is_read_by_theirs_again_by_way_of_ours(
    make_set, write_jpegs, tmp_path: Path
):
    labels = ["cats", "dogs"] * 6
    paths = write_jpegs(12)
    examples = {
        "train": _examples(paths[:8], label=labels[:8]),
        "test": _examples(paths[8:], label=labels[8:]),
    }
    source = make_set({"image": IMAGE, "label": LABEL}, examples)
    convert(open_source(source), Settings(shards=2), tmp_path / "set")
    ours = tfds.builder_from_directory(str(tmp_path / "set"))
    theirs = tfds.builder_from_directory(source.removeprefix("tfds:"))
    for split in examples:
        one, two = (
            sorted(
                (builder.info.features["label"].int2str(example["label"]), example["image"])
                for example in tfds.as_numpy(builder.as_dataset(split, decoders=ENCODED))
            )
            for builder in (ours, theirs)
        )
        assert one == two and len(one) == len(examples[split])


def test_a_directory_by_its_relative_path(data_dir: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(data_dir.parent)
    assert open_source(f"tfds:{data_dir.name}").num_images == 24


def test_chosen_classes(data_dir: Path):
    source = open_source(f"tfds:{data_dir}", ("squares", "circles"))
    assert source.class_counts == {"circles": 8, "squares": 8}
    assert {image.class_name for image in source.images()} == {"circles", "squares"}


def test_the_features_that_a_set_is_meant_for(make_set, write_jpegs):
    paths = write_jpegs(4)
    other = tfds.features.ClassLabel(names=["odd", "even"])
    features = {"mask": IMAGE, "image": IMAGE, "label": LABEL, "coarse": other}
    examples = _examples(paths[:2], label=["cats", "dogs"], coarse=["odd", "even"], mask=paths[2:])
    source = make_set(features, {"train": examples}, supervised_keys=("image", "label"))
    images = _images(source)
    assert {image.read() for image in images} == {Path(path).read_bytes() for path in paths[:2]}
    assert {image.class_name for image in images} == {"cats", "dogs"}


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"image": IMAGE, "mask": IMAGE, "label": LABEL}, "2 features of the kind Image"),
        ({"image": IMAGE, "label": LABEL, "kind": LABEL}, "2 features of the kind ClassLabel"),
        ({"image": IMAGE, "text": tfds.features.Text()}, "0 features of the kind ClassLabel"),
        ({"image": tfds.features.Tensor(shape=(2, 2, 3), dtype=np.uint8), "label": LABEL},
         "0 features of the kind Image among image (Tensor), label (ClassLabel)"),
    ],
)  # fmt: skip
def test_no_image_with_its_label(
    features: dict, message: str, make_set, write_jpegs, refusal: Callable
):
    values = {"label": 0, "kind": 0, "text": "", "mask": write_jpegs(1)[0]}
    values["image"] = values["mask"]
    if isinstance(features["image"], tfds.features.Tensor) and features["image"] is not IMAGE:
        values["image"] = np.zeros((2, 2, 3), np.uint8)
    example = {name: values[name] for name in features}
    source = make_set(features, {"train": [example]})
    assert message in refusal(source, fault=f"tfds: {message}")


def test_a_class_that_one_split_lacks(make_set, write_jpegs, refusal: Callable):
    paths = write_jpegs(3)
    examples = {
        "train": _examples(paths[:2], label=["cats", "dogs"]),
        "test": _examples(paths[2:], label=["cats"]),
    }
    source = make_set({"image": IMAGE, "label": LABEL}, examples)
    assert "no image of the class 'dogs' in the split 'test'" in refusal(
        source, fault="tfds: a class that one split lacks"
    )


@pytest.mark.parametrize("splits", [("part1", "part2"), ("val", "validation")])
def test_splits_that_cannot_be_told(splits: tuple, make_set, write_jpegs, refusal: Callable):
    examples = {name: _examples(write_jpegs(1), label=["cats"]) for name in splits}
    source = make_set({"image": IMAGE, "label": LABEL}, examples)
    assert f"splits {splits[0]}, {splits[1]}" in refusal(
        source, fault=f"tfds: the splits {' and '.join(splits)}"
    )


def test_a_damaged_set(make_set, write_jpegs, refusal: Callable):
    examples = {"train": _examples(write_jpegs(4), label=["cats", "dogs"] * 2)}
    source = make_set({"image": IMAGE, "label": LABEL}, examples)
    shard = next(Path(source.removeprefix("tfds:")).glob("*.tfrecord*"))
    whole = shard.read_bytes()
    for damaged in (whole[:-10], whole[:40] + b"x" + whole[41:], None):
        shard.unlink()
        if damaged is not None:
            shard.write_bytes(damaged)
        assert "split 'train' cannot be read to its end" in refusal(
            source, fault="tfds: a damaged set"
        )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cifar_10", "close to it: cifar10"),
        ("zzzz", "does not have, expected"),
        ("mnist:9.9.9", "cannot be loaded at version 9.9.9"),
        ("cifar10_corrupted/no_such", "BuilderConfig no_such not found"),
        ("", "cannot open"),
        ("a/b/c/d", "cannot open"),
        ("/no/such/directory", "/no/such/directory"),
        ("coco", "0 features of the kind ClassLabel"),
    ],
)
def test_names_that_cannot_be_used(name: str, message: str, refusal: Callable):
    error = refusal(f"tfds:{name}", fault=f"tfds:{name}")
    assert message in error and repr(f"tfds:{name}") in error


def test_no_network_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Callable
):
    builder = tfds.builder("mnist", data_dir=tmp_path / "data")
    nobody = tfds.download.checksums.UrlInfo(size=1, checksum="00", filename="x.gz")
    monkeypatch.setattr(type(builder), "url_infos", {"http://127.0.0.1:9/x.gz": nobody})
    monkeypatch.setattr(tfds, "builder", lambda name: builder)
    start = time.monotonic()
    message = refusal("tfds:mnist", (), str(tmp_path / "downloads"), fault="tfds: no network")
    assert "refused" in message and "TFDS_DATA_DIR" in message
    assert time.monotonic() - start < 10
    assert not (tmp_path / "data").exists()


def test_a_set_that_is_made_only_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Drawn(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> tfds.core.DatasetInfo:
            features = tfds.features.FeaturesDict({"image": IMAGE, "label": LABEL})
            return self.dataset_info_from_configs(features=features)

        def _split_generators(self, manager: Any) -> dict[str, Any]:
            assert manager.download_dir == tmp_path / "downloads"
            return {"train": self._generate_examples(2), "test": self._generate_examples(4)}

        def _generate_examples(self, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
            for number in range(count):
                yield number, {"image": np.full((4, 4, 3), number, np.uint8), "label": number % 2}

    builder = Drawn(data_dir=tmp_path / "data")
    monkeypatch.setattr(tfds, "builder", lambda name: builder)
    for _ in range(2):
        source = open_source("tfds:drawn", download_dir=str(tmp_path / "downloads"))
        assert source.split_counts == {
            "train": {"cats": 1, "dogs": 1}, "test": {"cats": 2, "dogs": 2},
        }  # fmt: skip


def test_nothing_is_logged(data_dir: Path):
    program = (
        "from pipelines.sources import open_source; "
        f"print(len(list(open_source({f'tfds:{data_dir}'!r}).images())))"
    )
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("24\n", "")


def test_no_other_source_imports_tensorflow(image_folder: Path):
    program = (
        "import sys; from pipelines.sources import open_source; "
        f"open_source({str(image_folder)!r}); open_source('sample'); "
        "sys.exit('tensorflow' in sys.modules or 'tensorflow_datasets' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
