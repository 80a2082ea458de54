"""How many market orders reach how far: λ(δ) = A·exp(−κδ) per side, A at the mid and κ its decay.

One distance per market order (`analysis.orders`); A counts one side. κ_per_bps of 0.15 is 1,500 per unit of price
(κ_per_frac): the unit always stands in the name. Three fits of the same orders are shown, because a market is
never quite exponential: where they disagree, A and κ are a summary and the counted fills (gate 3) are the truth.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, norm

from analysis.bootstrap import Floats, resample
from analysis.curves import from_log, seed_of
from analysis.edges import CoinEdges
from analysis.estimates import Estimate
from analysis.orders import Array
from analysis.tables import Cell, Chart, Column, Section, Series, Table

Z95 = float(norm.ppf(0.975))
_TOO_FLAT = 1e-12
BINS, BIN_BPS = 20, 0.5
"""Of reach beyond the touch, for the Poisson fit and the charts."""
FILL_BPS, FILL_S = 1.0, 60.0
MIN_ORDERS = 20
MOST_CHARTS = 4
SIDES = ("bid", "ask")


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
        decayed = -math.expm1(line[0] * width)
        return math.exp(line[1]) / (exposure_s * decayed) if decayed else math.inf

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


# ---- a side of a coin ----------------------------------------------------------------------------------------


class Side(NamedTuple):
    """The market orders that meet our bids, or our asks."""

    a_per_s: Estimate
    kappa_per_bps: Estimate
    independent: Estimate
    """κ with the exact interval for independent orders: too narrow where they come in crowds."""
    poisson: Estimate | None
    """κ by the bins, those at the touch left out."""
    fill_frac: float | None
    """Chance that an order `FILL_BPS` behind the touch, first in its queue, is filled within `FILL_S`."""


def sides(edges: CoinEdges) -> tuple[Side, Side]:
    return _side(edges, 0), _side(edges, 1)


def _side(edges: CoinEdges, side: int) -> Side:
    """κ is that of an exponential seen through price steps: ln(1 + step/mean)/step, or 1/mean for small steps."""
    reaches, step = edges.reaches[side].astype(float), max(edges.tick_bps, 1e-9)
    n, seconds = len(reaches), float(edges.seconds.sum())
    columns = (edges.side_orders[:, side], edges.side_beyond[:, side], edges.seconds, edges.spread)

    def statistic(x: Floats) -> Floats:
        kappa = np.log1p(step * x[..., [0]] / x[..., [1]]) / step
        ln_a = np.log(x[..., [0]] / x[..., [2]]) + kappa * x[..., [3]] / x[..., [2]] / 2
        return np.concatenate([ln_a, np.log(kappa)], axis=-1)

    found = resample(np.stack(columns, axis=1), statistic, seed=seed_of(edges.coin, f"intensity {SIDES[side]}"))
    a_per_s, kappa = (from_log(one) for one in found.estimates([n, n]))
    if n < MIN_ORDERS or kappa.value is None or a_per_s.value is None:
        nothing = Estimate(None, None, None, n, 0.0)
        return Side(nothing, nothing, nothing, None, None)
    alone = shifted(reaches + step / 2, 0.0, seconds)
    half_spread = float(edges.spread.sum()) / seconds / 2
    fill = fill_prob(a_per_s.value, kappa.value, half_spread + FILL_BPS, FILL_S)
    return Side(
        a_per_s, kappa, Estimate(alone.kappa, *alone.exact, n, float(n)), _binned(reaches, seconds), fill.fill_frac
    )


def _binned(reaches: Array, seconds: float) -> Estimate | None:
    counts, edges = np.histogram(reaches, bins=BINS, range=(0.0, BINS * BIN_BPS))
    counts, edges = counts[1:], edges[1:]
    if np.count_nonzero(counts) < 3:
        return None
    fit, n = bin_fit(edges.tolist(), counts.tolist(), seconds), int(counts.sum())
    spread = Z95 * fit.se_kappa_poisson
    return Estimate(fit.kappa_poisson, fit.kappa_poisson - spread, fit.kappa_poisson + spread, n, float(n))


# ---- all coins -----------------------------------------------------------------------------------------------


def section(measured: Mapping[str, CoinEdges]) -> Section:
    rows: list[tuple[Cell, ...]] = []
    for coin, edges in measured.items():
        for name, side in zip(SIDES, sides(edges), strict=True):
            filled = None if side.fill_frac is None else 100 * side.fill_frac
            rows.append((coin, name, side.a_per_s, side.kappa_per_bps, side.independent, side.poisson, filled))
    columns = (
        Column("coin"), Column("our side"), Column("A", "/s", 3), Column("κ", "/bps", 3),
        Column("κ if independent", "/bps", 3), Column("κ beyond the touch", "/bps", 3),
        Column(f"filled in {FILL_S:.0f} s", "%", 0),
    )  # fmt: skip
    about = (
        "λ(δ) = A·exp(-κδ): market orders per second and side that reach δ bps from the mid; 1/κ is the mean "
        "reach beyond the touch. κ if independent: the exact interval, were orders independent. κ beyond the "
        f"touch: Poisson fit of {BIN_BPS:g} bps bins without the first; where it is lower, sweeps go deeper than "
        f"A and κ say. Filled: first in the queue, {FILL_BPS:g} bps behind the touch."
    )
    table = Table("Fill intensity", columns, tuple(rows), about)
    busiest = sorted(measured.values(), key=lambda edges: -edges.orders)[:MOST_CHARTS]
    charts = tuple(_chart(edges) for edges in busiest if edges.orders >= MIN_ORDERS)
    return Section("intensity", "Fill intensity: A and κ", None, {}, (table,), charts)


def _chart(edges: CoinEdges) -> Chart:
    """Both sides together: counted, and as the fits say."""
    reaches, hours = np.concatenate(edges.reaches), edges.hours
    counts, bounds = np.histogram(reaches, bins=BINS, range=(0.0, BINS * BIN_BPS))
    x = tuple((bounds[:-1] + BIN_BPS / 2).tolist())
    counted = Series("counted", x, tuple((counts / hours).tolist()))
    kappas = [side.kappa_per_bps.value for side in sides(edges)]
    fits = np.zeros(BINS)
    for kappa, one in zip(kappas, edges.reaches, strict=True):
        if kappa is not None:
            fits += len(one) / hours * (np.exp(-kappa * bounds[:-1]) - np.exp(-kappa * bounds[1:]))
    return Chart(
        f"{edges.coin}: how far market orders reach",
        "beyond the touch (bps)",
        "orders per hour",
        (counted, Series("exponential", x, tuple(fits.tolist()))),
        kind="step",
    )
