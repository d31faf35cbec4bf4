"""The training loop beside Keras' own `fit`, and what checkpoints cost it.

In one process and in turns, an epoch of each: `model.fit`; the trainer's loop; the loop with a
checkpoint every so many steps; and with several steps in a call. Same model, optimizer, precision
and training batches, augmented, on one device.

usage: python -m benchmarks.training_loop --data_dir=DIR
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from pipelines.runtime import console
from pipelines.runtime.tensorflow_runtime import import_tensorflow, keep_freed_memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", required=True, help="a set of pipelines.make_tfrecords")
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each")
    parser.add_argument("--steps", type=int, default=225, help="steps in an epoch")
    parser.add_argument("--every", type=int, default=50, help="steps from checkpoint to checkpoint")
    parser.add_argument("--steps_per_call", type=int, default=8, help="of the last of the four")
    parser.add_argument("--image_size", type=int, default=96)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--precision", default="auto")
    options = parser.parse_args()
    console.verbosity = "error"  # no line for each epoch
    keep_freed_memory()
    import_tensorflow()
    with tempfile.TemporaryDirectory() as directory:
        _compare(options, Path(directory))


def _compare(options: argparse.Namespace, directory: Path) -> None:
    import keras

    from trainer.config import TrainConfig

    config = TrainConfig(
        data_dir=options.data_dir,
        epochs=1,
        image_size=options.image_size,
        batch_size=options.batch_size,
        precision=options.precision,
    )
    changes = {
        "loop": {},
        f"loop, a checkpoint every {options.every} steps": {"checkpoint_every": str(options.every)},
        f"loop, {options.steps_per_call} steps a call": {"steps_per_call": options.steps_per_call},
    }
    ours = _Ours(config, options.steps, directory)
    rates: dict[str, list[float]] = {name: [] for name in ("fit", *changes)}

    class Turns(keras.callbacks.Callback):
        """Lets the loop have its turns between the epochs of `fit`, whose time it takes."""

        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            seconds = time.perf_counter() - self.start
            found = {"fit": options.steps * options.batch_size / seconds}
            found |= {name: ours.rate(**change) for name, change in changes.items()}
            if epoch:  # in the first, images are decoded and graphs traced
                for name, rate in found.items():
                    rates[name].append(rate)

    model = ours.loop_of_its_own().model
    model.compile(ours.optimizer(), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        ours.batches(),
        steps_per_epoch=options.steps,
        epochs=options.rounds + 1,
        callbacks=[Turns()],
        verbose=0,
    )
    for name, values in rates.items():
        print(f"{name}: {statistics.median(values):,.0f} images/s", *(f"{v:,.0f}" for v in values))
    loop = rates["loop"]
    for name, over in (("loop", rates["fit"]), *((name, loop) for name in list(changes)[1:])):
        ratios = [a / b for a, b in zip(rates[name], over, strict=True)]
        under = "fit" if name == "loop" else "loop"
        print(f"{name} / {under}: {statistics.median(ratios):.3f}", *(f"{r:.3f}" for r in ratios))


class _Ours:
    """The trainer's loop on a set, an epoch at a time.

    Args:
        config: The run's choices, of one epoch.
        steps: In an epoch.
        directory: For checkpoints.
    """

    def __init__(self, config, steps: int, directory: Path) -> None:
        import tensorflow as tf

        from trainer.feed import Feed
        from trainer.run_setup import checked_data, set_up
        from trainer.workers.cluster import ALONE

        self._config, self._steps_per_epoch, self._directory = config, steps, directory
        self._strategy = tf.distribute.get_strategy()
        self._setup = set_up(config, ALONE, checked_data(config), self._strategy)
        self._inputs = self._setup.inputs
        self._loop = self.loop_of_its_own()
        self._steps = iter(Feed(self._strategy, self.batches()))

    def batches(self):
        """Training batches without end."""
        from pipelines.loading.dataset import train_batches

        inputs = self._inputs
        return train_batches(inputs.dataset, inputs.options, epochs=10**6, seed=0)

    def optimizer(self):
        from trainer.optimizer import make_optimizer

        return make_optimizer(self._config, self._steps_per_epoch)

    def loop_of_its_own(self):
        from trainer.loop_setup import make_loop

        return make_loop(self._config, self._strategy, self._setup.manifest, self._steps_per_epoch)

    def rate(self, **changes) -> float:
        """Images a second in the training steps of an epoch, checkpoints and checks included."""
        import dataclasses

        from trainer.run_output import RunOutput
        from trainer.run_state import RunState
        from trainer.saver import Saver
        from trainer.stop import StopSignals
        from trainer.training import Training

        config = dataclasses.replace(self._config, **changes)
        state = RunState()
        setup = dataclasses.replace(self._setup, config=config)
        output = RunOutput(setup, self._directory, self._loop, state)
        saver = Saver(config.checkpoint_every, output, state, [])
        with StopSignals() as signals:
            Training(
                config,
                self._loop,
                self._steps,
                _one_batch(self._inputs, self._strategy),
                self._steps_per_epoch,
                state,
                saver,
                signals,
                is_alone=True,
                output=output,
            ).run()
        saver.wait()
        return state.records[0].train.images_per_second


def _one_batch(inputs, strategy):
    from pipelines.loading.dataset import eval_batches
    from trainer.feed import Feed

    dataset = eval_batches(inputs.dataset, "test", inputs.options)
    return Feed(strategy, dataset.take(1))


if __name__ == "__main__":
    main()
