"""One training run, from a config to a finished run directory."""

import contextlib
import dataclasses
import functools
import shlex
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf
from etils import epath

from pipelines.loading.dataset import eval_batches, train_batches
from pipelines.loading.service import watched
from pipelines.runtime import console
from pipelines.runtime.command import StoppedBySignal
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.verification import damage_named
from trainer.config import TrainConfig
from trainer.data_name import data_name
from trainer.examples import StoredExamples
from trainer.feed import Feed, Steps
from trainer.from_chief import bytes_from_chief
from trainer.inputs import Inputs
from trainer.judging.judged import Judged
from trainer.loop import Loop
from trainer.loop_setup import make_loop
from trainer.precision import choose_policy
from trainer.predictions import Predictions
from trainer.resume import Start, find_start, restore
from trainer.run_directory import run_directory
from trainer.run_output import RunOutput, Silence
from trainer.run_setup import RunSetup, checked_data, set_up
from trainer.run_state import RunState
from trainer.saver import Saver
from trainer.stop import StopSignals
from trainer.strategy import make_strategy
from trainer.summaries.step_profile import profile_warning
from trainer.training import Stopped, Training
from trainer.workers.cluster import ALONE, Cluster
from trainer.workers.peers import joined


def train(config: TrainConfig, cluster: Cluster = ALONE) -> Path | None:
    """Trains as `config` says, from the beginning or from a checkpoint.

    Of several workers each calls this; the first, the chief, writes and speaks for all.

    Args:
        config: The run's choices.
        cluster: Who the workers of `--strategy=multi_worker` are.

    Returns:
        The run directory: logs, `config.json`, `checkpoints/`, and what
        `trainer.ending.write_ending` leaves. None in a worker that is not the chief.

    Raises:
        InputError: for data, devices or a run directory that do not fit the config, before any
            training; or when loss or weights stop being finite numbers, nothing can be written, or
            another worker fails.
        StoppedBySignal: after SIGINT or SIGTERM, when the run is saved.
    """
    config = dataclasses.replace(config, data_dir=str(epath.Path(config.data_dir).expanduser()))
    dataset = checked_data(config)
    outputs: list[Silence] = []
    stopped = None
    with joined(
        cluster,
        timeout=config.worker_timeout,
        must_agree={
            **config.agreed(),
            "fingerprint of the data": dataset.manifest.fingerprint,
            "precision": choose_policy(config.precision),
            "number of GPUs": str(len(tf.config.list_physical_devices("GPU"))),
        },
        before_exit=functools.partial(_wait_for_all, outputs),
    ) as peers:
        with peers.starting():
            strategy = make_strategy(config.strategy, config.virtual_devices, cluster)
        setup = set_up(config, cluster, dataset, strategy)
        with _own_run_directory(setup) as run_dir:
            try:
                _train(setup, run_dir, outputs)
            except StoppedBySignal as signal:
                stopped = signal  # raised when the others have stopped, too
    if stopped is not None:
        raise stopped
    return run_dir


def _wait_for_all(outputs: list[Silence]) -> None:
    for output in outputs:
        with contextlib.suppress(InputError):  # the process ends with another line
            output.wait()


@contextlib.contextmanager
def _own_run_directory(setup: RunSetup) -> Iterator[Path | None]:
    """The run directory where this process is the one that writes it."""
    if setup.cluster.is_chief:
        with run_directory(setup.config.run_dir, setup.manifest.name) as run_dir:
            yield run_dir
    else:
        yield None


def _train(setup: RunSetup, run_dir: Path | None, outputs: list[Silence]) -> None:
    config, inputs = setup.config, setup.inputs
    start = _agreed_start(setup, run_dir)
    if start.is_finished:
        if run_dir is not None:
            console.tell(f"{run_dir} holds a finished run of these flags; nothing is left to do.")
        return
    loop = make_loop(config, setup.strategy, setup.manifest, inputs.steps_per_epoch)
    if start.checkpoint is not None:
        restore(loop, start.checkpoint)
    output = Silence()
    if run_dir is not None:
        output = RunOutput(setup, run_dir, loop, start.state)
        output.say(setup.head(loop, run_dir, start))
        output.warn(profile_warning(config.profiled, setup.total_steps - start.state.step))
    outputs.append(output)
    with output.failing(), damage_named(inputs.dataset.directory):
        predictions = _run_epochs(setup, loop, start, output, run_dir)
        output.finish(loop, start.state, _judged(inputs, loop, predictions))


def _agreed_start(setup: RunSetup, run_dir: Path | None) -> Start:
    """What the chief finds in its run directory, for all workers."""
    start = Start()
    if run_dir is not None:
        start = find_start(
            setup.config,
            run_dir,
            setup.manifest,
            setup.inputs.steps_per_epoch,
            setup.cluster.count,
        )
    if setup.cluster.count == 1:
        return start
    return Start.from_bytes(bytes_from_chief(setup.strategy, start.to_bytes()))


def _run_epochs(
    setup: RunSetup, loop: Loop, start: Start, output: Silence, run_dir: Path | None
) -> Predictions | None:
    """Runs the epochs that are left; leaves the loop with the weights that count.

    Returns:
        What these answer on the test split, if that was evaluated.
    """
    config, inputs, state = setup.config, setup.inputs, start.state
    saver = Saver(config.checkpoint_every, output, state, start.best)
    with StopSignals() as signals:
        training = Training(
            config,
            loop,
            train_steps(config, inputs, loop, state),
            eval_feed(inputs, loop, inputs.eval_split),
            inputs.steps_per_epoch,
            state,
            saver,
            signals,
            is_alone=setup.cluster.count == 1,
            output=output,
        )
        try:
            predictions = training.run()
        except Stopped as stopped:
            place = "" if run_dir is None else f" and --run_dir={shlex.quote(str(run_dir))}"
            raise StoppedBySignal(
                stopped.signal_number,
                f"stopped after step {state.step} of {setup.total_steps}, which is saved; to go "
                f"on, use the same flags{place}.",
            ) from stopped
    if len(state.records) < config.epochs:
        output.say(
            f"stopped   early: --early_stopping={config.early_stopping} after the best epoch"
        )
    if config.keep_best:
        output.say(f"best      epoch {state.best_epoch}, whose weights are kept and reported")
    loop.settle(saver.best if config.keep_best else ())
    return predictions if setup.reports_last_evaluation else None


def train_steps(config: TrainConfig, inputs: Inputs, loop: Loop, state: RunState) -> Steps:
    """What the steps of the run after `state.step` take."""
    batches = train_batches(
        inputs.dataset,
        inputs.options,
        epochs=config.epochs,
        seed=config.seed,
        start_step=state.step,
        worker=inputs.worker,
    )
    watched_batches = watched(batches, inputs.options.services, inputs.dataset.directory)
    return iter(Feed(loop.strategy, watched_batches))


def eval_feed(inputs: Inputs, loop: Loop, split: str) -> Feed:
    """The batches of an evaluation on a split."""
    batches = eval_batches(inputs.dataset, split, inputs.options, inputs.worker)
    return Feed(loop.strategy, batches)


def _judged(inputs: Inputs, loop: Loop, predictions: Predictions | None) -> Judged:
    return Judged(
        predictions or loop.predict(eval_feed(inputs, loop, "test")),
        StoredExamples(inputs, "test"),
        inputs.manifest.class_names,
        data_name(inputs.manifest),
        "test",
    )
