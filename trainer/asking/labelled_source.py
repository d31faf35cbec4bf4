"""Asks a model about the images of a source, which are not held in memory."""

import contextlib
import dataclasses
import itertools
import os
from collections.abc import Generator, Sequence

import numpy as np

from pipelines.conversion.validation import BATCH
from pipelines.runtime.console import progress
from pipelines.runtime.errors import InputError
from pipelines.runtime.machine import threads
from pipelines.sources import Source, SourceImage
from pipelines.sources.base import in_groups, read_ahead, take_ahead
from pipelines.tfrecords.manifest import Rejected
from trainer.asking.asked_data import SourceData
from trainer.asking.asked_model import AskedModel
from trainer.asking.decoded_file import DecodedFile, decode_files
from trainer.judging.judged import Judged
from trainer.model_description import ModelDescription
from trainer.predictions import Predictions


@dataclasses.dataclass(frozen=True)
class SourceExamples:
    """The images of a source that were evaluated; those that are looked at are read again.

    Attributes:
        source: Where they are.
        description: Of the model that was asked.
        names: Their file names.
        places: Where in a pass over the source each stands.
    """

    source: Source
    description: ModelDescription
    names: list[str]
    places: list[int]

    def file_names(self, numbers: Sequence[int]) -> list[str]:
        """See `trainer.examples.Examples`."""
        return [self.names[number] for number in numbers]

    def images(self, numbers: Sequence[int]) -> np.ndarray:
        """See `trainer.examples.Examples`.

        Raises:
            InputError: if an image is not what it was any more.
        """
        wanted = {self.places[number] for number in numbers}
        size = self.description.image_size
        found: dict[int, np.ndarray] = {}
        last = max(wanted, default=-1)
        for place, image in enumerate(itertools.islice(self.source.images(), last + 1)):
            if place in wanted:
                (decoded,) = decode_files([image.read()], self.description)
                if decoded.image is None:
                    raise _changed(self.source)
                found[place] = decoded.image
        if len(found) < len(wanted):
            raise _changed(self.source)
        chosen = [found[self.places[number]] for number in numbers]
        return np.stack(chosen) if chosen else np.zeros((0, size, size, 3), np.uint8)


def judge_source(asked: AskedModel, data: SourceData) -> tuple[Judged, list[Rejected]]:
    """The model's answers on the images of a source, and the images left out.

    Raises:
        InputError: for an image that cannot be read, or decoded unless such are skipped.
    """
    source, trained = data.source, asked.trained
    examples = SourceExamples(source, trained.description, [], [])
    left_out: list[Rejected] = []
    labels: list[int] = []
    answers: list[np.ndarray] = []
    waiting: list[np.ndarray] = []
    seen = 0
    with contextlib.closing(_decoded(source, trained.description)) as images:
        for image, decoded in progress(images, source.num_images, "Evaluating"):
            seen += 1
            if decoded.image is None:
                left_out.append(_left_out(image, decoded.problem, data))
                continue
            examples.names.append(image.file_name)
            examples.places.append(seen - 1)
            labels.append(trained.class_names.index(image.class_name))
            waiting.append(decoded.image)
            if len(waiting) == asked.batch_size:
                answers.append(asked.probabilities(np.stack(waiting)))
                waiting.clear()
    if waiting:
        answers.append(asked.probabilities(np.stack(waiting)))
    if seen != source.num_images:
        raise _changed(source)
    if not answers:
        raise InputError(
            f"received {data.place} with {seen} images of which none can be decoded, expected "
            "pictures; see to the source."
        )
    predictions = Predictions(np.array(labels), np.concatenate(answers))
    return Judged(predictions, examples, trained.class_names, data.name, data.split), left_out


def _decoded(
    source: Source, description: ModelDescription
) -> Generator[tuple[SourceImage, DecodedFile], None, None]:
    """All images in the source's order, decoded by threads ahead of whoever takes them."""
    count = (os.cpu_count() or 1) + 1
    with threads(count) as pool, read_ahead(source.images()) as files:
        decoding = (
            (
                [image for image, _ in group],
                pool.submit(decode_files, [data for _, data in group], description),
            )
            for group in in_groups(files, BATCH)
        )
        for images, decoded in take_ahead(decoding, 2 * count):
            yield from zip(images, decoded.result(), strict=True)


def _left_out(image: SourceImage, problem: str, data: SourceData) -> Rejected:
    if data.skips_bad_images:
        return Rejected(image.file_name, problem)
    raise InputError(
        f"received the image {image.file_name!r} of {data.place} ({problem}), expected one that "
        "can be decoded; mend it or move it away, or use --on_bad_image=skip to leave such images "
        "out and have them listed in the report."
    )


def _changed(source: Source) -> InputError:
    return InputError(
        f"received {source.name!r}, which changed while it was evaluated, expected the images that "
        "were there before; run it again when nobody writes there."
    )
