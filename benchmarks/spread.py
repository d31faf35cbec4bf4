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
    """Mean and standard deviation of shares in [0, 1], as '98.93 ± 0.35'."""
    return plus_minus([100 * share for share in shares], digits=2)


def plus_minus(values: Sequence[float], digits: int) -> str:
    """Mean and standard deviation (with n - 1), as '9.9 ± 0.7'; of one value the value."""
    deviation = standard_deviation(values)
    text = f"{mean(values):.{digits}f}"
    return text if deviation is None else f"{text} ± {deviation:.{digits}f}"
