"""Asks a model about a split of a finished set."""

import dataclasses
import os

import numpy as np

from pipelines.loading.dataset import eval_batches
from pipelines.runtime.console import progress
from pipelines.tfrecords.verification import damage_named
from trainer.asking.asked_data import StoredData
from trainer.asking.asked_model import AskedModel
from trainer.examples import StoredExamples
from trainer.input_config import InputConfig
from trainer.inputs import Inputs, checked_dataset, prepare_inputs
from trainer.judging.judged import Judged
from trainer.predictions import Predictions


def judge_split(asked: AskedModel, data: StoredData) -> Judged:
    """The model's answers on all examples of a split, in stored order.

    Raises:
        InputError: for a set that is damaged.
    """
    inputs = _inputs(asked, data)
    # A batch of padding would only be there for replicas.
    count = -(-inputs.manifest.splits[data.split].num_examples // asked.batch_size)
    labels, answers = [], []
    with damage_named(inputs.dataset.directory):
        batches = eval_batches(inputs.dataset, data.split, inputs.options)
        what = f"Evaluating, {asked.batch_size} images at a time"
        for images, batch_labels, weights in progress(batches, count, what):
            pixels = np.rint(255 * images.numpy()).astype(np.uint8)
            is_example = weights.numpy() > 0
            labels.append(batch_labels.numpy()[is_example])
            answers.append(asked.probabilities(pixels)[is_example])
    predictions = Predictions(np.concatenate(labels), np.concatenate(answers))
    names = asked.trained.class_names
    return Judged(predictions, StoredExamples(inputs, data.split), names, data.name, data.split)


def _inputs(asked: AskedModel, data: StoredData) -> Inputs:
    description = asked.trained.description
    config = InputConfig(
        data_dir=os.fspath(data.dataset.directory),
        image_size=description.image_size,
        batch_size=asked.batch_size,
        decode_ratio=1 if data.manifest.encoding == "raw" else description.decode_ratio,
        augmentation="none",
        cache="none",  # each image is looked at once
    )
    inputs = prepare_inputs(config, checked_dataset(config), for_training=False)
    # The model is given pixels and turns them itself.
    options = dataclasses.replace(inputs.options, channels_first=False)
    return dataclasses.replace(inputs, options=options)
