"""What a sweep shows: each combination over its days, and whether the best is better than chance makes it look."""

from collections.abc import Mapping, Sequence
from datetime import date
from math import ceil, sqrt
from statistics import fmean, stdev
from typing import NamedTuple

from scipy import stats

from market_maker.sweep.grid import Combination
from market_maker.sweep.job import Outcome

LEVEL = 0.95
"""Of the intervals of all pairs together."""
MIN_DAYS = 5
"""Fewer say nothing about how days differ."""
_BPS = 10_000
Outcomes = Mapping[tuple[int, date], Outcome]


class Spread(NamedTuple):
    """A mean over days and its standard error; None with a single day, or without a value."""

    mean: float | None
    se: float | None = None


class Row(NamedTuple):
    """One combination over all its days. Edges are pooled: all money over all volume."""

    settings: Combination
    days: int
    pnl_usd: float
    pnl_per_day_usd: Spread
    fees_usd: float
    fills: int
    volume_usd: float
    gross_bps: Spread
    net_bps: Spread
    max_position_usd: float
    cancels_per_fill: float | None


class Answer(NamedTuple):
    """`best` is None unless the data can tell it from every other. `text` says it for people."""

    best: int | None
    text: str
    leader: int | None
    """Highest mean, whether or not that means anything."""


def row(settings: Combination, outcomes: Sequence[Outcome]) -> Row:
    pnl = [float(outcome.pnl_usd) for outcome in outcomes]
    before = [float(outcome.pnl_usd + outcome.fees_usd - outcome.funding_usd) for outcome in outcomes]
    volume = [float(outcome.volume_usd) for outcome in outcomes]
    fills = sum(outcome.fills for outcome in outcomes)
    return Row(
        settings,
        len(outcomes),
        sum(pnl),
        spread(pnl),
        sum(float(outcome.fees_usd) for outcome in outcomes),
        fills,
        sum(volume),
        ratio(before, volume),
        ratio(pnl, volume),
        max((float(outcome.max_position_usd) for outcome in outcomes), default=0.0),
        sum(outcome.cancels for outcome in outcomes) / fills if fills else None,
    )


def spread(values: Sequence[float]) -> Spread:
    if not values:
        return Spread(None)
    return Spread(fmean(values), stdev(values) / sqrt(len(values)) if len(values) > 1 else None)


def ratio(usd: Sequence[float], volume_usd: Sequence[float]) -> Spread:
    """Σ usd / Σ volume in bps, with the standard error of a ratio of sums over days."""
    total = sum(volume_usd)
    if not total:
        return Spread(None)
    value, days = sum(usd) / total, len(usd)
    if days < 2:
        return Spread(value * _BPS)
    rest = sum((x - value * v) ** 2 for x, v in zip(usd, volume_usd, strict=True))
    return Spread(value * _BPS, sqrt(rest / (days * (days - 1))) / (total / days) * _BPS)


def judge(grid: Sequence[Combination], outcomes: Outcomes, days: Sequence[date]) -> Answer:
    """The best by PnL a day, paired by day: on the same day all combinations saw the same market.

    Student's t on the differences of each pair, days taken as independent; since the best is chosen by the same
    data, the intervals hold for all pairs together (Bonferroni).
    """
    common = [day for day in days if all((i, day) in outcomes for i in range(len(grid)))]
    if len(grid) < 2:
        return Answer(None, "one combination: nothing to compare", None)
    if not common:
        return Answer(None, "no day that all combinations went through: nothing to compare", None)
    pnl = [[float(outcomes[i, day].pnl_usd) for day in common] for i in range(len(grid))]
    leader = max(range(len(grid)), key=lambda i: fmean(pnl[i]))
    n = len(common)
    if n < MIN_DAYS:
        return Answer(None, f"NOT ENOUGH DATA to name a best: {n} of at least {MIN_DAYS} days", leader)
    pairs = len(grid) * (len(grid) - 1) / 2
    critical = float(stats.t.ppf(1 - (1 - LEVEL) / (2 * pairs), n - 1))
    gaps = [_gap(pnl[leader], pnl[i], critical) for i in range(len(grid)) if i != leader]
    mean, margin = min(gaps, key=lambda gap: gap[0] - gap[1])
    if mean - margin > 0:
        text = (
            f"best: {said(grid[leader])}, ${mean:.2f} ± {margin:.2f} a day ahead of the next ({n} days, paired;"
            f" {LEVEL:.0%} for all pairs). It was chosen on these days: expect less of it on others"
        )
        return Answer(leader, text, leader)
    needed = f"about {ceil(n * (margin / mean) ** 2)} such days would decide" if mean > 0 else "they are equal"
    text = (
        f"no difference that the data can show: {said(grid[leader])} leads by ${mean:.2f} ± {margin:.2f} a day"
        f" ({n} days, paired; {LEVEL:.0%} for all pairs); {needed}"
    )
    return Answer(None, text, leader)


def _gap(ahead: Sequence[float], behind: Sequence[float], critical: float) -> tuple[float, float]:
    """Mean difference a day and half the width of its interval."""
    differences = [a - b for a, b in zip(ahead, behind, strict=True)]
    return fmean(differences), critical * stdev(differences) / sqrt(len(differences))


def said(settings: Combination) -> str:
    return " ".join(f"{name}={value}" for name, value in settings.items()) or "as configured"
