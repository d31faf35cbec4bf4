"""The flags of optimizer and selection."""

import dataclasses

from pipelines.runtime.command import option
from pipelines.runtime.errors import InputError
from trainer.input_config import check_at_least, check_share
from trainer.model_config import ModelConfig

OPTIMISATION = "Optimisation"
SELECTION = "Selection, only by a validation split"

COSINE_WARMUP_FRACTION = 0.07
SGD_MOMENTUM, ADAMW_WEIGHT_DECAY = 0.9, 0.004  # the latter is Keras' default


@dataclasses.dataclass(frozen=True)
class OptimisationConfig(ModelConfig):
    """Every choice that the weights depend on, beside those of input and model.

    Raises:
        InputError: when made with a value that cannot be, or with values that contradict.
    """

    epochs: int = option(30, "Passes over the training split.", group=OPTIMISATION)
    optimizer: str = option(
        "adam",
        "adam; adamw, with --weight_decay; sgd, with --momentum.",
        group=OPTIMISATION,
        choices=("adam", "adamw", "sgd"),
    )
    learning_rate: float = option(
        2e-3, "The optimizer's peak learning rate; the default is Adam's.", group=OPTIMISATION
    )
    momentum: float | None = option(
        None,
        f"Of --optimizer=sgd, {SGD_MOMENTUM} unless given; 0 for none.",
        group=OPTIMISATION,
    )
    weight_decay: float | None = option(
        None,
        "Of --optimizer=adamw or sgd: the share of the kernels, times the learning rate, that is "
        f"taken off them in a step; {ADAMW_WEIGHT_DECAY} for adamw unless given.",
        group=OPTIMISATION,
    )
    schedule: str = option(
        "cosine",
        "Learning rate over the run: constant; cosine to 0; or inverse_time, "
        "learning_rate / (1 + decay * step).",
        group=OPTIMISATION,
        choices=("constant", "cosine", "inverse_time"),
    )
    warmup_fraction: float | None = option(
        None,
        "Share of the steps in which the rate first rises linearly from 0; "
        f"{COSINE_WARMUP_FRACTION} with --schedule=cosine unless given, else 0.",
        group=OPTIMISATION,
    )
    decay: float | None = option(
        None,
        "Rate of --schedule=inverse_time a step; learning_rate / epochs unless given, as in "
        "the tutorial.",
        group=OPTIMISATION,
    )
    clip_norm: float | None = option(
        None,
        "Scale gradients down to this norm, over all weights and the whole batch, where theirs is "
        "larger.",
        group=OPTIMISATION,
    )
    accumulation_steps: int = option(
        1,
        "Take each replica's share of a batch in N pieces, one after the other, and add up their "
        "gradients: for batches that do not fit the memory.",
        group=OPTIMISATION,
    )
    average_decay: float = option(
        0.0,
        "Evaluate, and keep, an exponential moving average of the weights, in which a step's "
        "weights count 1 - X, such as 0.999; 0 for the weights themselves.",
        group=OPTIMISATION,
    )
    label_smoothing: float = option(
        0.0, "Share of the target spread evenly over all classes, in [0, 1).", group=OPTIMISATION
    )
    class_weights: str = option(
        "none",
        "balanced: in the loss, examples of a class with few count more, examples / (classes * "
        "examples of the class), so that all classes count equally.",
        group=OPTIMISATION,
        choices=("none", "balanced"),
    )
    keep_best: bool = option(
        False,
        "Report and keep the weights of the epoch with the least validation loss, not the last.",
        group=SELECTION,
    )
    early_stopping: int | None = option(
        None, "End after N epochs without a smaller validation loss.", group=SELECTION
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_ranges()
        self._check_schedule()
        self._check_optimizer()
        if self.oversample and self.class_weights != "none":
            raise InputError(
                f"received --oversample with --class_weights={self.class_weights}, which both "
                "balance the classes, expected one of them; drop the other."
            )

    def _check_ranges(self) -> None:
        at_least = {
            "epochs": 1,
            "decay": 0,
            "weight_decay": 0,
            "accumulation_steps": 1,
            "early_stopping": 1,
        }
        for name, least in at_least.items():
            check_at_least(name, getattr(self, name), least)
        for name in ("label_smoothing", "average_decay"):
            check_share(name, getattr(self, name))
        for name in ("warmup_fraction", "momentum"):
            if getattr(self, name) is not None:
                check_share(name, getattr(self, name))
        for name in ("learning_rate", "clip_norm"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"received --{name}={value}, expected a finite number above 0.")

    def _check_schedule(self) -> None:
        if self.decay is not None and self.schedule != "inverse_time":
            raise InputError(
                f"received --decay={self.decay} with --schedule={self.schedule}, expected "
                "--schedule=inverse_time; drop one of the two."
            )

    def _check_optimizer(self) -> None:
        if self.momentum is not None and self.optimizer != "sgd":
            raise InputError(
                f"received --momentum={self.momentum} with --optimizer={self.optimizer}, expected "
                "--optimizer=sgd; drop one of the two."
            )
        if self.weight_decay is not None and self.optimizer == "adam":
            raise InputError(
                f"received --weight_decay={self.weight_decay} with --optimizer=adam, expected "
                "--optimizer=adamw or sgd; drop one of the two."
            )

    @property
    def unwarped_epochs(self) -> int:
        """The last epochs in which images are only mirrored."""
        return round(self.unwarped_fraction * self.epochs)
