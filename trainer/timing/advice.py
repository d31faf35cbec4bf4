"""Names the bottleneck of training in a sentence, with the flag that would help."""

from collections.abc import Mapping

from trainer.timing.measure import Rate
from trainer.timing.training import TrainingRates

# What the step may lose to the input, in images a second, in waiting or in processor time, before
# the input is called the bottleneck. One measurement alone can be off by that much.
_LOSS = 0.05

_HELP = {
    "order": "a larger --shuffle_buffer makes fewer windows",
    "read": "--input_readers reads at more places at once, and --cache=memory or disk reads once",
    "parse": "--cache=memory parses once",
    "batch": "--cache=memory does it once",
    "decode": (
        "--cache=memory or disk decodes once, --decode_ratio decodes large JPEGs at a reduced "
        "scale, and --data_service lets other machines do it"
    ),
    "resize": "--cache=memory or disk resizes once",
    "cache": "--augment_on=device moves fewer bytes",
    "warp": "--augment_on=device does it on the accelerator, --data_service on other machines",
}


def active_stages(stages: Mapping[str, Rate], cache: str) -> list[str]:
    """The stages that every epoch passes, in order, with decoded images in memory or not.

    Args:
        stages: Every stage that was timed.
        cache: 'memory' or another.
    """
    cached = ("order", "cache", "warp")
    if cache == "memory":
        return [name for name in stages if name in cached]
    return [name for name in stages if name != "cache"]


def advice(stages: Mapping[str, Rate], active: list[str], training: TrainingRates) -> str:
    """The sentence.

    Args:
        stages: The rate of each stage.
        active: Those that every epoch passes.
        training: The rates of the input and the step, alone and together.
    """
    step, of_constant = training.step, training.of_constant
    slowest = max(active, key=lambda name: stages[name].cpu_ms)
    input_ms = sum(stages[name].cpu_ms for name in active)
    input_share = input_ms / (input_ms + step.cpu_ms)
    if 1 - of_constant <= _LOSS or max(input_share, training.input_wait_fraction) <= _LOSS:
        times = training.chain.images_per_second / step.images_per_second
        return (
            f"The bottleneck is the model's step: the input alone is {times:.1f} times as fast, "
            f"and training keeps {of_constant:.0%} of the step's rate. More or faster devices "
            "(--strategy=mirrored), --precision or a larger --batch_size would help."
        )
    return (
        f"The bottleneck is the input, and of it {slowest} ({stages[slowest].cpu_ms:.3f} ms of "
        f"processor time an image): training keeps {of_constant:.0%} of the step's rate. "
        f"{_HELP[slowest][0].upper()}{_HELP[slowest][1:]}."
    )
