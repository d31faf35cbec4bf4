"""What the benchmark found, as a value, as text and as a chart."""

import dataclasses
import io
from collections.abc import Mapping
from typing import Any

import matplotlib

matplotlib.use("Agg")  # No window: the figure goes to a file, also where there is no screen.
from matplotlib import pyplot  # noqa: E402

from trainer.timing.advice import active_stages, advice  # noqa: E402
from trainer.timing.measure import Rate  # noqa: E402
from trainer.timing.training import TrainingRates  # noqa: E402


@dataclasses.dataclass(frozen=True)
class Findings:
    """Where the time goes.

    Attributes:
        stages: The rate of each stage of the input, in the order in which the data pass.
        training: The rates of chain, step and training.
        cache: Where decoded images stay: 'memory', 'disk' or 'none'.
        device: What the step runs on, in words.
    """

    stages: Mapping[str, Rate]
    training: TrainingRates
    cache: str
    device: str

    @property
    def active(self) -> list[str]:
        """The stages that every epoch passes."""
        return active_stages(self.stages, self.cache)

    @property
    def shares(self) -> dict[str, float]:
        """Share of each active stage, and of the step, in the processor time of an image."""
        times = {name: self.stages[name].cpu_ms for name in self.active}
        times["step"] = self.training.step.cpu_ms
        return {name: value / sum(times.values()) for name, value in times.items()}

    @property
    def sentence(self) -> str:
        """The bottleneck, and what would help."""
        return advice(self.stages, self.active, self.training)

    def text(self) -> str:
        """A table of all rates, and the sentence."""
        t, shares = self.training, self.shares
        rows = [(name, rate, shares.get(name)) for name, rate in self.stages.items()]
        rows += [("whole input", t.chain, None), ("step", t.step, shares["step"])]
        rows += [("training", t.training, None)]
        lines = [f"{'':12}{'images/s':>10}{'cpu ms/image':>14}{'share':>8}"]
        for name, rate, share in rows:
            shown = "" if share is None else f"{share:.1%}"
            lines.append(f"{name:12}{rate.images_per_second:>10,.0f}{rate.cpu_ms:>14.4f}{shown:>8}")
        return "\n".join(
            [
                *lines,
                f"(share: of the processor time of an image with cache={self.cache}; step on "
                f"{self.device})",
                f"training / step on a constant batch: {t.of_constant:.2f}; waiting for input "
                f"{t.input_wait_fraction:.1%}",
                self.sentence,
            ]
        )

    def document(self) -> dict[str, Any]:
        """The same, to be written as JSON."""
        t = self.training
        totals = {"whole input": t.chain, "step": t.step, "training": t.training}
        return {
            "cache": self.cache,
            "device": self.device,
            "rates": {
                name: dataclasses.asdict(rate) for name, rate in {**self.stages, **totals}.items()
            },
            "shares": self.shares,
            "training_over_constant_batch": t.of_constant,
            "input_wait_fraction": t.input_wait_fraction,
            "bottleneck": self.sentence,
        }

    def chart(self) -> bytes:
        """A PNG: a bar for each stage's processor time, grey where not every epoch passes it."""
        times = {name: rate.cpu_ms for name, rate in self.stages.items()}
        times["step"] = self.training.step.cpu_ms
        colours = ["C0" if name in self.shares else "lightgrey" for name in times]
        figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
        try:
            bars = axes.barh(list(times), list(times.values()), color=colours)
            axes.bar_label(bars, fmt="%.3f", padding=3)
            axes.invert_yaxis()
            axes.margins(x=0.12)
            axes.set(
                xlabel="Milliseconds of processor time an image",
                title=f"Where the time goes, cache={self.cache} (grey: not in every epoch)",
            )
            stream = io.BytesIO()
            figure.savefig(stream, dpi=150, format="png")
            return stream.getvalue()
        finally:
            pyplot.close(figure)
