"""Trains the same network with some flags varied, each combination with several seeds.

    python -m trainer.study --vary=downsampling=stride,max_pool --vary=init=he_normal,glorot_uniform
    python -m trainer.study --vary=l2=0,0.0005 --seeds=5 --epochs=5 --data_dir=data/caltech4

Every run is one of trainer.main in STUDY_DIR/NAME, with that command's flags, which are given here
for all runs. Runs that are there are not trained again, whichever study they were for, and a study
that was stopped goes on when it is started again. It ends with a table of accuracies, means and
standard deviations over the seeds, and a plot: NAME.csv, NAME.md and NAME.png in STUDY_DIR.
Pictures and the audit of a run (--pictures, --audit of trainer.main) are left out.
"""

import dataclasses
import functools
import re
from typing import Any, ClassVar

from etils import epath

from pipelines.runtime import command, console
from pipelines.runtime.command import define_flags, option, repeated
from pipelines.runtime.console import counted
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import load_manifest
from trainer.config import TrainConfig
from trainer.input_config import check_at_least
from trainer.studying.carry_out import carry_out
from trainer.studying.factors import Factor, parse_factors
from trainer.studying.plan import Plan, make_plan
from trainer.studying.results import read_results
from trainer.studying.states import States, find_states
from trainer.studying.study_output import write_results

STUDY = "Study"
# Not worth their time in every run; trainer.evaluate draws them for the one that is chosen.
LEFT_OUT = ("pictures", "audit")


@dataclasses.dataclass(frozen=True)
class StudyConfig(TrainConfig):
    """What a study varies, and what all its runs have in common."""

    GROUPS: ClassVar[tuple[str, ...]] = (STUDY, *TrainConfig.GROUPS)

    vary: tuple[str, ...] = repeated(
        "A flag of trainer.main and its values, FLAG=VALUE,VALUE,...; true or false where it has "
        "none, and none for a flag that is not given. All combinations of several are run.",
        group=STUDY,
    )
    one_at_a_time: bool = option(
        False,
        "Vary each flag alone, while the others have their first values: the baseline.",
        group=STUDY,
    )
    seeds: int = option(
        3, "Runs of each combination, with the seeds --seed, --seed + 1 and so on.", group=STUDY
    )
    study_dir: str = option(
        "runs/study",
        "Directory of the runs. Several studies may share it, each finds what the others have run.",
        group=STUDY,
    )
    study_name: str | None = option(
        None,
        "What the table and the plot are called, NAME.csv, NAME.md and NAME.png in STUDY_DIR; the "
        "names of the varied flags unless given.",
        group=STUDY,
    )
    keep_going: bool = option(
        False, "Go on when a run fails, without it; the exit status is 1 in the end.", group=STUDY
    )
    dry_run: bool = option(False, "Say what would be run, and stop.", group=STUDY)

    def __post_init__(self) -> None:
        # Not the trainer's own check: its flags may fit each other in all combinations, and not
        # with the default of a flag that is varied.
        check_at_least("seeds", self.seeds, 1)
        if not self.vary:
            raise InputError(
                "received no --vary, expected what the study is about; add one, such as "
                "--vary=downsampling=stride,max_pool."
            )
        if not self.study_dir:
            raise InputError("received --study_dir= without a value, expected a directory.")
        if self.study_name is not None and not re.fullmatch(r"\w[\w.-]*", self.study_name):
            raise InputError(
                f"received --study_name={self.study_name}, expected a file's name without its "
                "ending: letters, digits, '_', '-' and '.'."
            )
        self._check_no_places()
        self._check_given_once()
        # This also refuses a combination that cannot be, before anything is trained.
        if any(run.config.strategy == "multi_worker" for run in self.plan.runs):
            raise InputError(
                "received --strategy=multi_worker, expected a strategy of one process, since the "
                "runs of a study are processes of this machine; use --strategy=mirrored."
            )

    def _check_no_places(self) -> None:
        if self.run_dir is not None:
            raise InputError(
                f"received --run_dir={self.run_dir}, expected none: each run of a study has its "
                "own in --study_dir; use that."
            )
        if self.resume != "auto":
            raise InputError(
                f"received --resume={self.resume}, expected auto: a study goes on with what is in "
                "--study_dir; leave it out, or choose another --study_dir."
            )

    def _check_given_once(self) -> None:
        for factor in self._factors:
            value = getattr(self, factor.name)
            if value != _DEFAULTS[factor.name]:
                raise InputError(
                    f"received --{factor.name}={value} and --vary={factor.name}=..., expected one "
                    "of the two; drop the other."
                )

    @functools.cached_property
    def plan(self) -> Plan:
        """All runs of the study."""
        base = {name: getattr(self, name) for name in _DEFAULTS}
        base.update((name, False) for name in LEFT_OUT if name in base)
        return make_plan(base, self._factors, self.seeds, self.one_at_a_time, self.study_dir)

    @property
    def file_name(self) -> str:
        """What its table and its plot are called."""
        return self.study_name or "-".join(factor.name for factor in self._factors)

    @functools.cached_property
    def _factors(self) -> tuple[Factor, ...]:
        return parse_factors(self.vary, define_flags(TrainConfig), _DEFAULTS)


_DEFAULTS: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(TrainConfig)}


def main(config: StudyConfig) -> None:
    """Runs the study that `config` asks for."""
    manifest = load_manifest(epath.Path(config.data_dir).expanduser())
    plan = config.plan
    states = find_states(plan, manifest.fingerprint)
    console.say(_head(plan, states))
    if config.dry_run:
        for run in plan.runs:
            console.tell(f"{states.word(run):8}  {run.name}")
        return
    failures = carry_out(plan, states, config.keep_going)
    split = "validation" if "validation" in manifest.splits else "test"
    write_results(read_results(plan, failures, split, manifest.name), config.file_name)
    if failures:
        name, reason = next(iter(failures.items()))
        raise InputError(f"{len(failures)} of {len(plan.runs)} runs failed, {name} first: {reason}")


def _head(plan: Plan, states: States) -> str:
    sizes = [
        counted(len(plan.combinations), "combination"),
        counted(len(plan.runs) // len(plan.combinations), "seed"),
    ]
    parts = [f"{len(states.new)} to be run"]
    parts += [f"{len(states.begun)} to go on"] * bool(states.begun)
    parts += [f"{len(states.finished)} finished already"] * bool(states.finished)
    return (
        f"study {plan.study_dir}: {' x '.join(sizes)} = {counted(len(plan.runs), 'run')}, "
        f"{', '.join(parts)}"
    )


if __name__ == "__main__":
    command.run(main, StudyConfig)
