"""The files by which TensorFlow Datasets reads a set."""

import hashlib
import os

import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from pipelines.tfrecords.manifest import Manifest

_VERSION = "1.0.0"  # of the data set, for TFDS; the manifest's fingerprint tells sets apart


def write_tfds_metadata(directory: os.PathLike[str], manifest: Manifest) -> dict[str, str]:
    """Writes what `tfds.builder_from_directory` needs to read the shards in `directory`.

    Returns:
        The name of each file written -> its SHA-256.
    """
    before = set(epath.Path(directory).iterdir())
    template = tfds.core.ShardedFileTemplate(
        data_dir=directory, dataset_name=manifest.name, filetype_suffix="tfrecord"
    )
    split_infos = [
        tfds.core.SplitInfo(
            name=name,
            shard_lengths=[shard.num_examples for shard in split.shards],
            num_bytes=sum(shard.num_bytes for shard in split.shards),
            filename_template=template.replace(split=name),
        )
        for name, split in manifest.splits.items()
    ]
    image = (
        tfds.features.Image(shape=manifest.image_shape, encoding_format="jpeg")
        if manifest.encoding == "jpeg"
        else tfds.features.Tensor(
            shape=manifest.image_shape, dtype=np.uint8, encoding=tfds.features.Encoding.BYTES
        )
    )
    features = tfds.features.FeaturesDict(
        {
            "image": image,
            "label": tfds.features.ClassLabel(names=list(manifest.class_names)),
            "file_name": tfds.features.Text(),
            "sha256": tfds.features.Text(),
        }
    )
    tfds.folder_dataset.write_metadata(
        data_dir=os.fspath(directory),
        features=features,
        split_infos=split_infos,
        version=_VERSION,
        check_data=False,
    )
    written = sorted(set(epath.Path(directory).iterdir()) - before)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in written}
