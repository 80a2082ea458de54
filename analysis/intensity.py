"""How many market orders reach how far: λ(δ) = A·exp(−κδ) per side, A at the mid and κ its decay.

One distance per market order (`analysis.orders`); A counts one side. κ_per_bps of 0.15 is 1,500 per unit of price
(κ_per_frac): the unit always stands in the name. Three fits of the same orders are shown, because a market is
never quite exponential: where they disagree, A and κ are a summary and the counted fills (gate 3) are the truth.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, norm

from analysis.orders import Array

Z95 = float(norm.ppf(0.975))
_TOO_FLAT = 1e-12


class Shifted(NamedTuple):
    """Exponential beyond `d_min`, by maximum likelihood. The intervals hold for independent distances."""

    n: int
    kappa: float
    kappa_unbiased: float
    exact: tuple[float, float]
    delta: tuple[float, float]
    a_per_s: float
    se_ln_a: float


class BinFit(NamedTuple):
    """Orders counted in disjoint bins of distance. Least squares must leave out empty bins, which bends κ; the
    Poisson regression keeps them and is the one to believe."""

    kappa_ols: float
    a_ols: float
    kappa_wls: float
    a_wls: float
    kappa_poisson: float
    a_poisson: float
    se_kappa_poisson: float


class FillProb(NamedTuple):
    rate_per_s: float
    fill_frac: float
    mean_wait_s: float


def shifted(distances: Array, d_min: float, exposure_s: float) -> Shifted:
    """κ = 1 / (mean − d_min) of the distances from `d_min` on, A = n/τ · exp(κ·d_min); per unit of distance."""
    reached = distances[distances >= d_min]
    n = len(reached)
    kappa = 1 / (float(reached.mean()) - d_min)
    low, high = chi2.ppf([0.025, 0.975], 2 * n) / (2 * n)
    spread = Z95 / math.sqrt(n)
    return Shifted(
        n,
        kappa,
        kappa * (n - 1) / n,
        (kappa * float(low), kappa * float(high)),
        (kappa * (1 - spread), kappa * (1 + spread)),
        n / exposure_s * math.exp(kappa * d_min),
        math.sqrt((1 + (kappa * d_min) ** 2) / n),
    )


def interval(distances: Array, low: float, high: float) -> tuple[int, float]:
    """Number of distances in [low, high] and their κ, both ends being cut off; 0 where no decay shows."""
    inside = distances[(distances >= low) & (distances <= high)]
    length, excess = high - low, float(inside.mean()) - low if len(inside) else math.inf
    if excess >= length / 2:
        return len(inside), 0.0
    if excess <= 0:
        return len(inside), math.inf

    def gap(kappa: float) -> float:
        exponent = kappa * length
        cut = length / math.expm1(exponent) if exponent < 700 else 0.0
        return 1 / kappa - cut - excess

    return len(inside), float(brentq(gap, _TOO_FLAT, 2 / excess, xtol=1e-15, rtol=1e-13))


def bin_fit(edges: Sequence[float], counts: Sequence[int], exposure_s: float) -> BinFit:
    """Bins of equal width; E n_j = τ·A·(1 − exp(−κh))·exp(−κ·x_j) with x_j the lower edge."""
    x, n = np.array(edges[:-1], float), np.array(counts, float)
    width = edges[1] - edges[0]
    filled = n > 0
    ols = np.polyfit(x[filled], np.log(n[filled]), 1)
    wls = np.polyfit(x[filled], np.log(n[filled]), 1, w=np.sqrt(n[filled]))
    poisson, se = _poisson(x, n, wls)

    def a_per_s(line: Array) -> float:
        return math.exp(line[1]) / (exposure_s * -math.expm1(line[0] * width))

    return BinFit(-ols[0], a_per_s(ols), -wls[0], a_per_s(wls), -poisson[0], a_per_s(poisson), se)


def _poisson(x: Array, n: Array, start: Array) -> tuple[Array, float]:
    """Slope and intercept of ln E n, and the slope's standard error; Newton's method from a near start."""
    design = np.stack([x, np.ones_like(x)], axis=1)
    line = np.array(start)
    for _ in range(100):
        mean = np.exp(design @ line)
        information = design.T @ (design * mean[:, None])
        step = np.linalg.solve(information, design.T @ (n - mean))
        line += step
        if np.abs(step).max() < 1e-12:
            break
    return line, math.sqrt(np.linalg.inv(information)[0, 0])


def fill_prob(a_per_s: float, kappa: float, depth: float, horizon_s: float) -> FillProb:
    """Of an order first in its queue at `depth` (in the unit of 1/κ)."""
    rate = a_per_s * math.exp(-kappa * depth)
    return FillProb(rate, -math.expm1(-rate * horizon_s), 1 / rate)
