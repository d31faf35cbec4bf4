"""Writes the training images of a set as files, so that other readers can have the same bytes.

usage: python -m benchmarks.training_images DATA_DIR SOURCE TARGET [SPLIT]

SOURCE is the folder of class folders that the set was made from. Prints how many images there are
in TARGET then, in a folder a class. SPLIT, such as test, takes the place of train.
"""

import sys
from pathlib import Path

from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import load_manifest
from pipelines.tfrecords.record import parse_features, read_records


def main() -> None:
    data_dir, source, target = map(Path, sys.argv[1:4])
    try:
        print(write_images(data_dir, source, target, *sys.argv[4:]))
    except InputError as error:
        sys.exit(str(error))


def write_images(data_dir: Path, source: Path, target: Path, split: str = "train") -> int:
    """Writes those of a split, as they are stored, under numbers; returns how many there are.

    Raises:
        InputError: if the set cannot be read, holds pixels, has no such split, or was made from
            another source.
    """
    manifest = load_manifest(data_dir)
    if manifest.encoding != "jpeg":
        raise InputError(
            f"received --data_dir={data_dir} with the encoding {manifest.encoding!r}, expected "
            "'jpeg': peers read encoded images; make another set."
        )
    if split not in manifest.splits:
        raise InputError(
            f"received --data_dir={data_dir} with the splits {', '.join(manifest.splits)}, "
            f"expected {split!r} among them; make another set."
        )
    count = 0
    for shard in manifest.splits[split].shards:
        for record in read_records((data_dir / shard.name).read_bytes()):
            features = parse_features(record)
            file_name = features["file_name"].bytes_list.value[0].decode()
            if not (source / file_name).is_file():
                raise InputError(
                    f"received --data_dir={data_dir}, which has the image {file_name}, and "
                    f"--source={source}, which has not; expected the folder that it was made from."
                )
            label = features["label"].int64_list.value[0]
            folder = target / manifest.class_names[label]
            folder.mkdir(parents=True, exist_ok=True)
            # PNG files, too: all readers go by what is in a file.
            path = folder / f"{count:06}.jpg"
            path.write_bytes(features["image"].bytes_list.value[0])
            count += 1
    return count


if __name__ == "__main__":
    main()
