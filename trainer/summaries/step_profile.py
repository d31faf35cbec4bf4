"""TensorFlow's profiler over some steps of this process."""

from pathlib import Path

import tensorflow as tf

from trainer.summaries.writers import raising_os_errors


def profile_warning(profiled: tuple[int, int] | None, steps_left: int) -> str:
    """What the user is to know before the start if not all steps to profile will be taken.

    Args:
        profiled: The first and the last step.
        steps_left: Steps that this process will take at the most.
    """
    if profiled is None or profiled[1] <= steps_left:
        return ""
    first, last = profiled
    what = f"steps {first} to {steps_left} are" if first <= steps_left else "nothing is"
    return (
        f"received --profile_steps={first},{last}, but only {steps_left} steps are left; "
        f"{what} profiled."
    )


class StepProfile:
    """Profiles the steps from `first` to `last`, into where TensorBoard's tab Profile looks.

    Args:
        run_dir: The run directory.
        first: The first step, counted from 1 at the start of this process.
        last: The last one.
    """

    def __init__(self, run_dir: Path, first: int, last: int) -> None:
        self._run_dir = run_dir
        self._first, self._last = first, last
        self._begun = self._ended = False
        # From one step to the next; without it the profile does not know what a step is.
        self._step: tf.profiler.experimental.Trace | None = None

    def before(self, number: int, count: int) -> None:
        """Call it before the steps from `number`, so many in one call."""
        if not self._begun and number + count > self._first:
            self._begun = True
            with raising_os_errors():
                tf.profiler.experimental.start(str(self._run_dir))
        if self._begun and not self._ended:
            self._end_step()
            self._step = tf.profiler.experimental.Trace("train", step_num=number, _r=1)
            self._step.__enter__()

    def is_over(self, number: int) -> bool:
        """Whether `number` was the last step to profile; then wait for it, and call `end`."""
        return self._begun and not self._ended and number >= self._last

    def end(self) -> None:
        """Writes what has been profiled, if anything is being profiled.

        Raises:
            OSError: if it cannot be written.
        """
        if self._begun and not self._ended:
            self._ended = True
            self._end_step()
            with raising_os_errors():
                tf.profiler.experimental.stop()

    def _end_step(self) -> None:
        if self._step is not None:
            self._step.__exit__(None, None, None)
            self._step = None
