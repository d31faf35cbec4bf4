"""What there is already of the runs of a study, checked before anything is trained."""

import dataclasses
from collections.abc import Sequence

from pipelines.runtime.errors import InputError
from trainer.comparison.runs import Run, read_run
from trainer.run_directory import config_in
from trainer.studying.naming import run_name
from trainer.studying.plan import Plan, PlannedRun


@dataclasses.dataclass(frozen=True)
class States:
    """How far the runs of a study are.

    Attributes:
        new: Of which there is nothing.
        begun: That are to go on.
        finished: That are to be left alone.
    """

    new: Sequence[PlannedRun]
    begun: Sequence[PlannedRun]
    finished: Sequence[PlannedRun]

    def word(self, run: PlannedRun) -> str:
        """'finished', 'goes on' or 'new'."""
        return "finished" if run in self.finished else "goes on" if run in self.begun else "new"


def find_states(plan: Plan, data: str) -> States:
    """Looks for what a study's directory holds.

    Args:
        plan: The runs that the study needs.
        data: The fingerprint of their data.

    Raises:
        InputError: if a directory of that name holds a run of other flags or data, or no run.
    """
    new: list[PlannedRun] = []
    begun: list[PlannedRun] = []
    finished: list[PlannedRun] = []
    for run in plan.runs:
        found = _found(run)
        if found is not None:
            _check_data(run, found, data)
        if found is None:
            new.append(run)
        else:
            (finished if found.is_finished else begun).append(run)
    return States(new, begun, finished)


def _found(run: PlannedRun) -> Run | None:
    if not run.run_dir.exists():
        return None
    flags = config_in(run.run_dir)
    if flags is None:
        return None
    if run_name(flags) != run.name:
        raise InputError(
            f"received --study_dir={run.run_dir.parent}, in which {run.name} is a run of other "
            f"flags ({run_name(flags)}), expected one of those in its name; choose another "
            "--study_dir, or move that run away."
        )
    return read_run(run.run_dir)


def _check_data(run: PlannedRun, found: Run, data: str) -> None:
    if found.data is not None and found.data != data:
        raise InputError(
            f"received --data_dir={run.config.data_dir} (fingerprint {data[:12]}), but the run "
            f"{run.name} in --study_dir={run.run_dir.parent} is of other data "
            f"({found.data[:12]}), expected the same for all runs; choose another --study_dir."
        )
