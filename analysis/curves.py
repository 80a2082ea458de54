"""What is measured of a coin, each number with its interval: the market as it is, and every half spread."""

from typing import NamedTuple
from zlib import crc32

import numpy as np

from analysis.bootstrap import Floats, resample
from analysis.edges import GRID_BPS, CoinEdges
from analysis.estimates import Estimate
from analysis.orders import HEADLINE_S, HORIZONS_S


class Rules(NamedTuple):
    """The two readings of "spread above adverse selection"; the first forgets that a fill earns half of the spread
    and pays a fee."""

    seed_pass: bool
    strict_pass: bool
    half_spread_edge_bps: float


def rules(spread_bps: float, adverse_bps: float, fee_bps: float) -> Rules:
    edge = spread_bps / 2 - adverse_bps - fee_bps
    return Rules(spread_bps > adverse_bps, edge > 0, edge)


class Market(NamedTuple):
    """What is measured of a coin whether or not anybody quotes (bps)."""

    spread: Estimate
    adverse: tuple[Estimate, ...]
    """By horizon of `HORIZONS_S`."""
    classes: tuple[Estimate, ...]
    """At the headline horizon, by class of `edges.BEYOND_BPS`."""
    strict: Estimate
    """Half the spread, less adverse selection, less the fee."""
    rules: Rules


class Point(NamedTuple):
    """One half spread of the grid."""

    half_spread_bps: float
    adverse: Estimate
    edge: Estimate
    through_per_hour: float
    front_per_hour: float


def market(edges: CoinEdges) -> Market:
    horizons, headline = len(HORIZONS_S), HORIZONS_S.index(HEADLINE_S)
    sums = np.concatenate([edges.known, edges.adverse, edges.seconds[:, None], edges.spread[:, None]], axis=1)

    def statistic(x: Floats) -> Floats:
        adverse = x[..., horizons : 2 * horizons] / x[..., :horizons]
        spread = x[..., -1:] / x[..., -2:-1]
        return np.concatenate([adverse, spread, spread / 2 - adverse[..., [headline]] - edges.fee_bps], axis=-1)

    known = edges.known.sum(axis=0)
    n = [*known, edges.seconds.sum(), known[headline]]
    *adverse, spread, strict = resample(sums, statistic, seed=seed_of(edges.coin, "market")).estimates(n)
    classes = [
        _mean(edges.class_adverse[:, i], edges.class_known[:, i], seed_of(edges.coin, f"class {i}"))
        for i in range(edges.class_known.shape[1])
    ]
    found = rules(spread.value or 0.0, adverse[headline].value or 0.0, edges.fee_bps)
    return Market(spread, tuple(adverse), tuple(classes), strict, found)


def curve(edges: CoinEdges) -> tuple[Point, ...]:
    """The edge at every half spread, by the fills of a quote behind its queue."""
    through, points = edges.through, []
    for i, half_spread_bps in enumerate(GRID_BPS):
        known = through.known[:, i]
        adverse = _mean(through.adverse[:, i], known, seed_of(edges.coin, f"adverse {i}"))
        earned = through.capture[:, i] - through.adverse[:, i]
        edge = _mean(earned, known, seed_of(edges.coin, f"edge {i}"), less=edges.fee_bps)
        rates = (fills.fills[:, i].sum() / max(edges.hours, 1e-9) for fills in (through, edges.front))
        points.append(Point(half_spread_bps, adverse, edge, *map(float, rates)))
    return tuple(points)


def _mean(total: Floats, n: Floats, seed: int, less: float = 0.0) -> Estimate:
    sums = np.stack([n, total], axis=1)
    return resample(sums, lambda x: x[..., [1]] / x[..., [0]] - less, seed=seed).estimates([int(n.sum())])[0]


def from_log(found: Estimate) -> Estimate:
    """Of a rate that was resampled as its logarithm, so that no bound is below zero. A bound beyond all numbers is
    none: then there is no interval."""
    with np.errstate(over="ignore"):
        value, low, high = (None if x is None else float(np.exp(x)) for x in (found.value, found.low, found.high))
    if high is not None and not np.isfinite(high):
        low = high = None
    return found._replace(value=value, low=low, high=high)


def seed_of(coin: str, what: str) -> int:
    """Fixed, so that the same data give the same intervals."""
    return crc32(f"{what} {coin}".encode())
