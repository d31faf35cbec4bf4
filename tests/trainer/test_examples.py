"""Examples by number: their names and pixels are those of the evaluation, in its order."""

import numpy as np
import pytest

from pipelines.loading.dataset import eval_batches
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import open_dataset
from trainer.config import TrainConfig
from trainer.examples import StoredExamples
from trainer.inputs import prepare_inputs


@pytest.fixture(params=["jpeg", "raw"])
def examples(request, make_finished_set):
    raw = {"encoding": "raw", "image_size": 16} if request.param == "raw" else {}
    data_dir = make_finished_set(shards=2, shard_size_mb=None, **raw)
    config = TrainConfig(data_dir=str(data_dir), image_size=16, batch_size=4)
    inputs = prepare_inputs(config, open_dataset(data_dir))
    return StoredExamples(inputs, "train")


def test_are_those_of_the_evaluation(examples):
    inputs = examples.inputs
    batches = eval_batches(inputs.dataset, "train", inputs.options)
    images = np.concatenate([batch[0].numpy() for batch in batches])
    labels = np.concatenate([batch[1].numpy() for batch in batches])
    numbers = [17, 0, 9, 3, 9]
    np.testing.assert_array_equal(examples.images(numbers), np.rint(255 * images[numbers]))
    folders = [name.split("/")[0] for name in examples.file_names(numbers)]
    assert folders == [inputs.manifest.class_names[label] for label in labels[numbers]]
    assert len(set(examples.file_names(range(18)))) == 18


def test_damage_is_named(examples):
    for shard in examples.inputs.manifest.splits["train"].shards:
        path = f"{examples.inputs.dataset.directory}/{shard.name}"
        data = bytearray(open(path, "rb").read())
        data[40] ^= 1
        open(path, "wb").write(data)
    with pytest.raises(InputError, match="is damaged at record 0 .its data does not agree"):
        examples.images([0])
