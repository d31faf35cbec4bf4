"""The mean of some runs' figures and how far they spread, for tables and for JSON."""

from collections.abc import Sequence
from typing import Any

from trainer.comparison.groups import mean, standard_deviation


def spread_of(shares: Sequence[float]) -> dict[str, Any]:
    """Mean, standard deviation (with n - 1; None for one run), minimum, maximum and their number.

    Args:
        shares: Of at least one run, in [0, 1].
    """
    return {
        "mean": mean(shares),
        "standard_deviation": standard_deviation(shares),
        "minimum": min(shares),
        "maximum": max(shares),
        "runs": len(shares),
    }


def in_percent(shares: Sequence[float]) -> str:
    """Mean and standard deviation as '98.93 ± 0.35'; the mean alone of one run."""
    spread = spread_of(shares)
    deviation = spread["standard_deviation"]
    text = f"{100 * spread['mean']:.2f}"
    return text if deviation is None else f"{text} ± {100 * deviation:.2f}"
