"""Asks a model about files, a batch after the other."""

import dataclasses
import io
import itertools
import os
import time
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from pipelines.sources.base import take_ahead, threads
from trainer.asking.answer import OK, Answer
from trainer.asking.asked_model import AskedModel
from trainer.asking.decoded_file import decode_files
from trainer.asking.named_files import NamedFile, UnreadableError, read_named
from trainer.model_description import ModelDescription


def answers(asked: AskedModel, files: Sequence[NamedFile]) -> Iterator[Answer]:
    """The answers about `files`, in their order, each as soon as its batch has been asked about.

    Threads read and decode what comes next while the model is at work.

    Args:
        asked: The model.
        files: Any number; those that cannot be tried are answered by their problem.
    """
    description = asked.trained.description
    _warm_up(asked)
    with threads((os.cpu_count() or 1) + 1) as pool:
        decoding = (pool.submit(_decoded, file, description) for file in files)
        ahead = take_ahead(decoding, 2 * asked.batch_size)
        while batch := [future.result() for future in itertools.islice(ahead, asked.batch_size)]:
            yield from _answered(asked, batch)


def _warm_up(asked: AskedModel) -> None:
    """Takes what is compiled at its first use, half a second and more, out of the first files'."""
    files = []
    for file_format in ("JPEG", "PNG"):
        stream = io.BytesIO()
        Image.new("RGB", (1, 1)).save(stream, file_format)
        files.append(stream.getvalue())
    first, *_ = decode_files(files, asked.trained.description)
    if first.image is not None:
        asked.probabilities(first.image[np.newaxis])


def _decoded(file: NamedFile, description: ModelDescription) -> Answer:
    if file.problem:
        return Answer(file.name, file.problem)
    start = time.perf_counter()
    try:
        (decoded,) = decode_files([read_named(file.name)], description)
    except UnreadableError as error:
        return Answer(file.name, f"cannot be read: {error}")
    milliseconds = 1e3 * (time.perf_counter() - start)
    return Answer(file.name, decoded.problem or OK, image=decoded.image, decode_ms=milliseconds)


def _answered(asked: AskedModel, batch: list[Answer]) -> Iterator[Answer]:
    images = [answer.image for answer in batch if answer.image is not None]
    if not images:
        yield from batch
        return
    start = time.perf_counter()
    rows = iter(asked.probabilities(np.stack(images)))
    milliseconds = 1e3 * (time.perf_counter() - start) / len(images)
    for answer in batch:
        if answer.image is None:
            yield answer
        else:
            yield dataclasses.replace(answer, probabilities=next(rows), model_ms=milliseconds)
