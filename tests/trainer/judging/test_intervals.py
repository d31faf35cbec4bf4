"""Wilson's interval against his formula."""

import math

import pytest

from trainer.judging.intervals import wilson_interval


@pytest.mark.parametrize(("count", "total"), [(0, 1), (1, 1), (45, 50), (539, 559), (0, 30)])
def test_is_wilsons(count, total):
    z, share = 1.959963984540054, count / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total)
    half *= math.sqrt(share * (1 - share) / total + z * z / (4 * total**2))
    expected = max(centre - half, 0), min(centre + half, 1)
    assert wilson_interval(count, total) == pytest.approx(expected, abs=1e-9)


def test_nothing_is_known_of_none():
    assert wilson_interval(0, 0) == (0, 1)
