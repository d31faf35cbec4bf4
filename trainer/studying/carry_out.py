"""Runs what a study still needs, one after the other."""

from collections.abc import Sequence
from pathlib import Path

from pipelines.runtime.command import StoppedBySignal
from pipelines.runtime.errors import InputError
from trainer.comparison.runs import read_run
from trainer.studying.plan import Plan, PlannedRun
from trainer.studying.progress import StudyProgress
from trainer.studying.run_process import TRAINER, run_to_end, trainer_flags
from trainer.studying.states import States

LOGS = "logs"


def carry_out(
    plan: Plan, states: States, keep_going: bool, trainer: Sequence[str] = TRAINER
) -> dict[str, str]:
    """Runs those that are not finished.

    Args:
        plan: All runs of the study.
        states: How far they are.
        keep_going: Whether the study goes on when a run fails.
        trainer: The command that a run's flags are given to.

    Returns:
        Why runs failed, by their name.

    Raises:
        InputError: when a run fails, unless `keep_going`.
        StoppedBySignal: after SIGINT or SIGTERM, when the run at work has ended.
    """
    waiting = [run for run in plan.runs if run not in states.finished]
    progress = StudyProgress(len(waiting))
    failures: dict[str, str] = {}
    for run in waiting:
        progress.begins(run.name, goes_on=run in states.begun)
        reason = _failure(plan, run, progress, trainer)
        if not reason:
            progress.ended(read_run(run.run_dir))
            continue
        if not keep_going:
            raise InputError(
                f"the run {run.name} failed ({_log(plan, run)} has all that it printed): {reason}"
            )
        failures[run.name] = reason
        progress.failed(reason)
    return failures


def _failure(plan: Plan, run: PlannedRun, progress: StudyProgress, trainer: Sequence[str]) -> str:
    ended = run_to_end([*trainer, *trainer_flags(run.config)], _log(plan, run))
    if ended.signal_number is not None:
        raise StoppedBySignal(
            ended.signal_number,
            f"stopped in run {progress.place}, {run.name}, which is kept as far as it was saved; "
            "to go on, use the same flags.",
        )
    return ended.reason


def _log(plan: Plan, run: PlannedRun) -> Path:
    return plan.study_dir / LOGS / f"{run.name}.txt"
