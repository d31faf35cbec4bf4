"""Does what a run does before its first step, says what is to come, and leaves nothing behind."""

import io

from keras import Model

from pipelines.runtime import console
from pipelines.tfrecords.verification import damage_named
from trainer.config import TrainConfig
from trainer.loop_setup import make_loop
from trainer.rehearsal.configuration import configuration_text
from trainer.rehearsal.expected_time import measure
from trainer.resume import Start, find_start, restore
from trainer.run_directory import check_run_directory
from trainer.run_setup import RunSetup, checked_data, set_up
from trainer.strategy import make_strategy
from trainer.workers.cluster import ALONE

_COLUMNS = 80


def dry_run(config: TrainConfig) -> None:
    """Checks and measures a run of one process, and prints what was found.

    Raises:
        InputError: wherever the run would, before its first step.
    """
    dataset = checked_data(config)
    manifest = dataset.manifest
    strategy = make_strategy(config.strategy, config.virtual_devices)
    setup = set_up(config, ALONE, dataset, strategy, makes_pixels=False)
    inputs = setup.inputs
    run_dir = check_run_directory(config.run_dir, manifest.name)
    start = find_start(config, run_dir, manifest, inputs.steps_per_epoch, workers=1)
    console.tell(configuration_text(config))
    loop = make_loop(config, strategy, manifest, inputs.steps_per_epoch)
    console.tell(f"\n{_summary(loop.model)}\n")
    console.tell(setup.head(loop, run_dir, start))
    console.tell(_sizes(setup, start))
    if start.is_finished:
        console.tell("dry run   the run is finished; without --dry_run nothing is done")
        return
    if start.checkpoint is not None:
        restore(loop, start.checkpoint)
    if not start.state.is_over(config.epochs, config.early_stopping):
        with damage_named(inputs.dataset.directory):
            console.tell(f"time      {measure(setup, loop, start.state)}")
    console.tell("dry run   nothing was written; without --dry_run the run begins")


def _sizes(setup: RunSetup, start: Start) -> str:
    batch, replicas = setup.config.batch_size, setup.strategy.num_replicas_in_sync
    share = f", {batch // replicas} on each of {replicas} replicas" if replicas > 1 else ""
    left = setup.total_steps - start.state.step
    of_them = f", of which {left} are left" if start.checkpoint else ""
    per_epoch = setup.inputs.steps_per_epoch
    return (
        f"batch     {batch} images{share}\n"
        f"steps     {per_epoch} an epoch, {setup.total_steps} in all{of_them}"
    )


def _summary(model: Model) -> str:
    """Keras' summary, in as many columns as every terminal and most pagers have."""
    text = io.StringIO()
    model.summary(line_length=_COLUMNS, print_fn=lambda line, **_: text.write(f"{line}\n"))
    return text.getvalue().strip("\n")
