"""Which hours of the day differ from the others: days and hours as a two-way layout of logarithms.

A cell is one hour of one day with enough data. ln(cell) = day + hour + rest; how much the rest varies is learned
from all cells together, (hours − 1)·(days − 1) degrees of freedom, because two or three days say next to nothing
about how much a single hour varies. An hour's effect is its distance from the median hour, so that a few wild ones
do not move what is usual.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from analysis.estimates import LEVEL, Estimate
from analysis.minutes import CoinMinutes, sigma, spread_of
from analysis.orders import Array

HOURS = 24
MIN_CELL_S = 1800
"""Data that make an hour count as seen on a day."""
MIN_DF = 8
"""Degrees of freedom below which there is no interval."""
MIN_MULTIPLIER, MAX_MULTIPLIER = 1.05, 4.0
"""Less is not worth saying, more is a reason not to quote."""
CHAOTIC = 1.25
"""Times the median hour."""
MIN_DAYS = 2
"""On which every hour must have been seen."""
ALL_COINS = "all coins"


class Cells(NamedTuple):
    """Days × 24; NaN where an hour was not seen for `MIN_CELL_S`."""

    day: Array
    seconds: Array
    log_sigma: Array
    log_spread: Array

    @property
    def days_seen(self) -> Array:
        """By hour: on how many days."""
        return np.asarray((self.seconds >= MIN_CELL_S).sum(axis=0))


class Effects(NamedTuple):
    """By hour, in logarithms: how far above the median hour, with its standard error; NaN without, as for an hour
    of one day, which may have been an event."""

    effect: Array
    se: Array
    df: int
    days: Array

    def ratio(self, hour: int) -> Estimate:
        """How many times the usual."""
        effect, se = float(self.effect[hour]), float(self.se[hour])
        days = int(self.days[hour])
        if not np.isfinite(effect):
            return Estimate(None, None, None, days, days)
        if not np.isfinite(se):
            return Estimate(float(np.exp(effect)), None, None, days, days)
        reach = self.quantile(LEVEL) * se
        low, high = np.exp([effect - reach, effect + reach])
        return Estimate(float(np.exp(effect)), float(low), float(high), days, days)

    def quantile(self, level: float) -> float:
        """Student's, two-sided."""
        return float(stats.t.ppf((1 + level) / 2, self.df))

    def p_above(self, factor: float) -> Array:
        """One-sided, of "this hour is more than `factor` times the usual"; 1 where nothing is known."""
        with np.errstate(invalid="ignore", divide="ignore"):
            p = stats.t.sf((self.effect - np.log(factor)) / self.se, max(self.df, 1))
        return np.where(np.isfinite(self.se), p, 1.0)

    def shrunk(self) -> Array:
        """Ratios drawn towards 1 by their uncertainty: wholly where the interval holds 1."""
        with np.errstate(invalid="ignore", divide="ignore"):
            kept = 1 - (self.quantile(LEVEL) * self.se / self.effect) ** 2 if self.df >= MIN_DF else self.se
        return np.exp(np.where(np.isfinite(kept) & (kept > 0), kept * self.effect, 0.0))


class Profile(NamedTuple):
    """One coin, or the mean of all."""

    days: Array
    """By hour: on how many days it was seen."""
    sigma: Effects
    spread: Effects
    chaotic: tuple[int, ...]
    detectable: float | None
    """How many times as wild as usual an hour must be to be found with 80 %; None before there are intervals."""


def cells(minutes: CoinMinutes) -> Cells:
    """Add a coin's minutes up."""
    first = int(minutes.day[0])
    count = int(minutes.day[-1]) - first + 1
    place = (minutes.day - first) * HOURS + minutes.hour

    def total(column: Array) -> Array:
        return np.bincount(place, column, minlength=count * HOURS).reshape(count, HOURS)

    seconds = total(minutes.seconds)
    seen = seconds >= MIN_CELL_S
    with np.errstate(divide="ignore", invalid="ignore"):
        moves, spread = np.log(sigma(total(minutes.square), total(minutes.returns))), total(minutes.spread)
        log_spread = np.log(spread_of(spread, seconds))
    return Cells(
        np.arange(first, first + count),
        seconds,
        np.where(seen & np.isfinite(moves), moves, np.nan),
        np.where(seen & np.isfinite(log_spread), log_spread, np.nan),
    )


def fit(table: Array) -> Effects:
    """Least squares on days × 24 logarithms, NaN where there are none."""
    known = np.isfinite(table)
    days = known.sum(axis=0)
    effect, se = np.full(HOURS, np.nan), np.full(HOURS, np.nan)
    row, column = np.nonzero(known)
    hours = np.unique(column)
    if not len(hours):
        return Effects(effect, se, 0, days)
    design = np.concatenate([np.eye(HOURS)[column][:, hours], np.eye(len(table))[row]], axis=1)
    inverse = np.linalg.pinv(design.T @ design)
    solution = inverse @ design.T @ table[known]
    df = len(row) - int(np.linalg.matrix_rank(design))
    contrast = np.eye(len(hours)) - 1 / len(hours)
    found = solution[: len(hours)]
    effect[hours] = found - np.median(found)
    if df >= MIN_DF:
        residual = table[known] - design @ solution
        within = np.diag(contrast @ inverse[: len(hours), : len(hours)] @ contrast.T)
        median = (np.pi / 2 - 1) * within.mean() / len(hours)  # varies more than the mean does
        se[hours] = np.sqrt((within + median) * float(residual @ residual) / df)
        se[days < MIN_DAYS] = np.nan
    return Effects(effect, se, df, days)


def pooled(tables: list[tuple[Array, Array]]) -> Array:
    """The mean of several coins' (days, logarithms), each from its own mean: what they have in common in an hour
    is one observation, not one for each coin."""
    first, last = min(int(day[0]) for day, _ in tables), max(int(day[-1]) for day, _ in tables)
    stacked = np.full((len(tables), last - first + 1, HOURS), np.nan)
    for i, (day, table) in enumerate(tables):
        known = table[np.isfinite(table)]
        if len(known):
            stacked[i, int(day[0]) - first : int(day[-1]) - first + 1] = table - known.mean()
    count = np.isfinite(stacked).sum(axis=0)
    return np.where(count > 0, np.nansum(stacked, axis=0) / np.maximum(count, 1), np.nan)


def multipliers(*measures: Effects) -> tuple[float, ...]:
    """By hour: the largest shrunk ratio, or 1 where that is below `MIN_MULTIPLIER`."""
    largest = np.minimum(np.max([measure.shrunk() for measure in measures], axis=0), MAX_MULTIPLIER)
    return tuple(float(value) for value in np.where(largest < MIN_MULTIPLIER, 1.0, largest).round(3))
