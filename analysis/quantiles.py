"""Quantiles of a positive quantity with intervals, from histograms by window of time."""

import numpy as np

from analysis.bootstrap import Floats, resample
from analysis.estimates import Estimate
from analysis.orders import Array

_STEPS = np.linspace(np.log(1e-6), np.log(1e4), 1151)
"""Steps of 2 %; within one a quantile is interpolated."""


def quantiles(
    values: Array, weights: Array, window: Array, shares: tuple[float, ...], seed: int, reps: int = 999
) -> list[Estimate]:
    """The values below which these shares of the weight lie; `window` numbers the window each value belongs to.

    Neighbouring windows may say the same, values within one as well.
    """
    if not len(values) or not weights.sum() > 0:
        return [Estimate(None, None, None, 0, 0.0)] * len(shares)
    logs = np.log(np.maximum(values, 1e-9))
    bins = np.clip(np.searchsorted(_STEPS, logs, side="right") - 1, 0, len(_STEPS) - 2)
    first, last = int(bins.min()), int(bins.max())
    width, edges = last - first + 1, _STEPS[first : last + 2]
    windows, row = np.unique(window, return_inverse=True)
    sums: Array = np.bincount(
        row * width + bins - first, weights.astype(float), minlength=len(windows) * width
    ).reshape(-1, width)

    def statistic(total: Floats) -> Floats:
        below = np.cumsum(total, axis=-1) / total.sum(axis=-1, keepdims=True)
        return np.stack([_cross(below, edges, share) for share in shares], axis=-1)

    found = resample(sums, statistic, seed=seed, reps=reps).estimates([len(values)] * len(shares))
    exact = _exact(values, weights, shares)
    seen = float(values.min()), float(values.max())
    return [_in_units(estimate, value, *seen) for estimate, value in zip(found, exact, strict=True)]


def _cross(below: Array, edges: Floats, share: float) -> Array:
    """Where the cumulated share crosses, on a straight line within its step."""
    at = np.argmax(np.asarray(below >= share), axis=-1)[..., None]
    upper = np.take_along_axis(below, at, -1)
    lower = np.where(at > 0, np.take_along_axis(below, np.maximum(at - 1, 0), -1), 0.0)
    within = (share - lower) / np.maximum(upper - lower, 1e-300)
    return np.asarray((edges[at] + within * (edges[at + 1] - edges[at]))[..., 0])


def _exact(values: Array, weights: Array, shares: tuple[float, ...]) -> list[float]:
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    return [float(values[order[min(int(np.searchsorted(below, s * below[-1])), len(order) - 1)]]) for s in shares]


def _in_units(found: Estimate, value: float, least: float, most: float) -> Estimate:
    """Few draws of a tail can make an interval that ends beyond anything that was seen; it is cut there."""
    if found.low is None or found.high is None:
        return found._replace(value=value)
    low, high = np.exp(np.clip([found.low, found.high], *np.log([max(least, 1e-9), max(most, 1e-9)])))
    return found._replace(value=value, low=min(float(low), value), high=max(float(high), value))
