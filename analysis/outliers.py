"""Prices that no market had: far away from all that stands around them."""

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 15
"""On each side; up to seven wrong rows together are still told from a new price."""
LEAST = 3
"""With fewer on a side, that side says nothing."""
FACTOR = 10.0
_JUMP = 3.0


def far_away(px: NDArray[np.float64]) -> NDArray[np.intp]:
    """Places where a price is `FACTOR` times away from the median of its neighbours, of those before and of those
    after: a price that stays where it went is a new one, however far. Looks closely only around jumps."""
    with np.errstate(divide="ignore", invalid="ignore"):
        jumps = np.flatnonzero(np.abs(np.diff(np.log(px))) > np.log(_JUMP)) + 1
    near = np.unique((jumps[:, None] + np.arange(-NEIGHBOURS, NEIGHBOURS)).ravel())
    return np.array([i for i in near.tolist() if 0 <= i < len(px) and _is_far(px, i)], np.intp)


def _is_far(px: NDArray[np.float64], i: int) -> bool:
    sides = [
        side for side in (px[max(0, i - NEIGHBOURS) : i], px[i + 1 : i + 1 + NEIGHBOURS]) if len(side) >= LEAST
    ]
    ratios = [px[i] / np.median(side) for side in sides]
    return bool(ratios) and not any(1 / FACTOR < ratio < FACTOR for ratio in ratios)
