"""Quantiles with intervals, for values whose neighbours say the same.

The share of weight at or below a value is a ratio of sums, which the bootstrap knows; the quantiles at both ends
of its interval bound the quantile (Woodruff 1952).
"""

import numpy as np

from analysis.bootstrap import resample
from analysis.estimates import Estimate
from analysis.orders import Array


def quantiles(
    values: Array, weights: Array, window: Array, shares: tuple[float, ...], seed: int
) -> list[Estimate]:
    """The values at or below which these shares of the weight lie; `window` numbers the window of time of each
    value. Without an interval where its ends lie beyond the data."""
    if not len(values) or not weights.sum() > 0:
        return [Estimate(None, None, None, 0, 0.0)] * len(shares)
    order = np.argsort(values, kind="stable")
    ranked, below = values[order], np.cumsum(weights[order])

    def at(share: float) -> float:
        return float(ranked[min(int(np.searchsorted(below, share * below[-1])), len(ranked) - 1)])

    _, row = np.unique(window, return_inverse=True)
    found = [at(share) for share in shares]
    columns = [np.bincount(row, weights * (values <= value)) for value in found]
    sums = np.stack([*columns, np.bincount(row, weights)], axis=1).astype(float)
    resampled = resample(sums, lambda total: total[..., :-1] / total[..., -1:], seed=seed)
    return [
        estimate._replace(value=value, low=None, high=None)
        if estimate.low is None or estimate.high is None or estimate.low <= 0 or estimate.high >= 1
        else estimate._replace(value=value, low=min(at(estimate.low), value), high=at(estimate.high))
        for value, estimate in zip(found, resampled.estimates([len(values)] * len(shares)), strict=True)
    ]
