"""How far a share that was counted may be from the true one."""

from scipy.stats import binomtest

CONFIDENCE_LEVEL = 0.95


def wilson_interval(count: int, total: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion, after E. B. Wilson (1927).

    It stays within [0, 1], and is of use for few trials and for shares near 0 and 1, too.

    Args:
        count: Of so many the answer was right.
        total: How many were asked; for none, nothing is known.
    """
    if total == 0:
        return 0.0, 1.0
    interval = binomtest(int(count), int(total)).proportion_ci(CONFIDENCE_LEVEL, method="wilson")
    return float(interval.low), float(interval.high)
