"""Exports a run's model: written beside its destination, checked there, and then put in place."""

import dataclasses
from pathlib import Path

import numpy as np

from pipelines.loading.decode import CHANNELS
from pipelines.runtime.errors import InputError
from pipelines.runtime.tensorflow_runtime import output_held_back
from pipelines.tfrecords.manifest import ShardedDataset
from trainer.exporting.check import TOLERANCE, CheckResult, check, largest_difference
from trainer.exporting.checked_images import CheckedImages, checked_images
from trainer.exporting.destination import staged_output
from trainer.exporting.written import write
from trainer.float32_model import float32_model
from trainer.precision import can_run
from trainer.trained_model import TrainedModel, load_trained_model

# The mean over images of how much probability goes to other classes. With bfloat16 it was 0.001 of
# a StridedNet's, and with weights in the wrong places 0.7.
_POLICY_TOLERANCE = 0.1


@dataclasses.dataclass(frozen=True)
class ExportResult:
    """What was exported.

    Attributes:
        name: The format.
        output: Where it is.
        num_bytes: How large it is.
        source: Where the images are from that it was checked with.
        check: What the check found.
        policy: The Keras dtype policy that the run was trained with.
        policy_difference: The largest difference of a probability between the run's model under
            that policy and in float32; None if it is float32, or does not run on this machine.
    """

    name: str
    output: str
    num_bytes: int
    source: str
    check: CheckResult
    policy: str
    policy_difference: float | None

    @property
    def text(self) -> str:
        """For the user."""
        found = self.check
        difference = f"{found.difference:.1e} at the most (up to {TOLERANCE:.0e} is accepted)"
        if self.policy_difference is not None:
            difference += f"; {self.policy} itself: {self.policy_difference:.1e}"
        elif self.policy != "float32":
            difference += f"; {self.policy} itself does not run on this machine"
        times = f"{found.milliseconds:.1f} ms"
        if found.encoded_milliseconds is not None:
            times += f", from its file {found.encoded_milliseconds:.1f} ms"
        return "\n".join(
            [
                f"format      {self.name}",
                f"output      {self.output}, {self.num_bytes / 1e6:.1f} MB",
                f"checked on  {found.images} images: {self.source}",
                f"difference  from the probabilities in float32: {difference}",
                f"time        for one image: {times}",
            ]
        )


def export(
    name: str, run_dir: Path, output: str, dataset: ShardedDataset, overwrite: bool = False
) -> ExportResult:
    """Exports the model of `run_dir`.

    Args:
        name: One of `trainer.exporting.formats.FORMATS`.
        run_dir: The run directory.
        output: Where the export goes; see `trainer.exporting.destination.check_output`.
        dataset: The images that it is checked with.
        overwrite: Whether it takes the place of an earlier one.

    Raises:
        InputError: if the model cannot be loaded, converted or written, or the export's answers
            are not the model's. Nothing is left at `output` then that was not there before.
    """
    with output_held_back(1, 2):
        trained = load_trained_model(run_dir)
        _check_input(trained)
        images = checked_images(dataset, trained.description)
        model = float32_model(trained.model)
        expected, policy_difference = _expected(
            trained, dataclasses.replace(trained, model=model), images
        )
        with staged_output(name, output, overwrite) as stage:
            runner = write(name, model, trained.description, stage)
            found = check(runner, images, expected, trained.class_names)
            num_bytes = _num_bytes(stage)
    policy = trained.description.precision
    return ExportResult(name, output, num_bytes, images.source, found, policy, policy_difference)


def _expected(
    trained: TrainedModel, in_float32: TrainedModel, images: CheckedImages
) -> tuple[np.ndarray, float | None]:
    """What the export is to answer, and by how much the run's model differs from that.

    Of a run in float32 it is what the run's own model answers. Of another it is what the copy in
    float32 does, and then the run's model must come near that, where its precision runs.
    """
    policy = trained.description.precision
    if policy == "float32":
        return trained.probabilities(images.pixels), None
    expected = in_float32.probabilities(images.pixels)
    if not can_run(policy):
        return expected, None
    own = trained.probabilities(images.pixels)
    # Half of the absolute differences, since what one class loses another one gains.
    if not np.mean(np.abs(own - expected).sum(axis=1)) / 2 <= _POLICY_TOLERANCE:
        raise InputError(
            f"received {trained.run_dir} with a model whose answers in float32 are not those that "
            f"it gives in {policy}, expected nearly the same; train again "
            "with --precision=float32."
        )
    return expected, largest_difference(own, expected)


def _check_input(trained: TrainedModel) -> None:
    size = trained.description.image_size
    received, expected = trained.model.input_shape, (None, size, size, CHANNELS)
    if tuple(received) != expected:
        raise InputError(
            f"received {trained.run_dir} with a model of images {received}, expected {expected} "
            "(channels last); train it with Keras' image_data_format channels_last."
        )


def _num_bytes(path: Path) -> int:
    files = [path] if path.is_file() else [found for found in path.rglob("*") if found.is_file()]
    return sum(found.stat().st_size for found in files)
