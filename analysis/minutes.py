"""One coin minute by minute: spread, volatility, range, market orders and what they cost. Sums, so minutes add up.

Volatility is that of mids five seconds apart (faster ones would measure the rounding of prices), never across a
hole. The range is the true range of one-minute bars of the mid, their running average the screener's ATR, on which
the regime edges of `shared.regime` are meant.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from analysis.orders import HEADLINE_S, Array, Ticks, read_orders, read_ticks, standing
from analysis.store import Store
from services.screener.bars import ATR_BARS, MINUTE_MS, Bar
from services.screener.bars import atr as average_range

STEP_MS = 5000
MINUTES_OF_DAY = 1440
EPOCH_WEEKDAY = 3
"""1970-01-01 was a Thursday."""


class CoinMinutes(NamedTuple):
    """All arrays have one row for each minute from the first to the last; a minute without data has zeros, and NaN
    where nothing can be said."""

    coin: str
    minute: Array
    """Minutes since 1970."""
    seconds: Array
    """With data."""
    spread: Array
    """Touch to touch, bps · s."""
    returns: Array
    """Of five seconds, how many."""
    moved: Array
    """Of these, how many were not zero."""
    square: Array
    """Σ r² (fraction²)."""
    pairs: Array
    """Neighbouring returns, how many."""
    bipower: Array
    """(π/2)·Σ |r||r before|."""
    true_range: Array
    """Of the minute's bar, as a fraction of the close."""
    atr: Array
    """Its average over 14 minutes."""
    orders: Array
    """Market orders."""
    known: Array
    """Of these, how many have a mid five seconds later."""
    adverse: Array
    """Σ adverse selection of those (bps)."""

    @property
    def day(self) -> Array:
        """Days since 1970 (UTC)."""
        return self.minute // MINUTES_OF_DAY

    @property
    def hour(self) -> Array:
        """Of the day (UTC)."""
        return self.minute // 60 % 24

    @property
    def hours_of_data(self) -> float:
        return float(self.seconds.sum() / 3600)

    def sums(self, *columns: str) -> Array:
        """Columns side by side, for the bootstrap."""
        return np.stack([np.nan_to_num(getattr(self, name)) for name in columns], axis=1).astype(float)

    def where(self, chosen: Array) -> "CoinMinutes":
        """Only some minutes."""
        return CoinMinutes(self.coin, *(column[chosen] for column in self[1:]))


def weekend(day: Array) -> Array:
    """Is a day since 1970 a Saturday or Sunday?"""
    return (day + EPOCH_WEEKDAY) % 7 >= 5


def measure(store: Store, coin: str) -> CoinMinutes:
    """Read a coin's ticks and trades once."""
    ticks = read_ticks(store, coin)
    orders, _ = read_orders(store, coin, ticks)
    first = int(ticks.time_ms[0] // MINUTE_MS)
    count = int(ticks.time_ms[-1] // MINUTE_MS) - first + 1

    def per_minute(time_ms: Array, values: Array) -> Array:
        inside = (time_ms >= first * MINUTE_MS) & (time_ms < (first + count) * MINUTE_MS)
        return np.bincount(time_ms[inside] // MINUTE_MS - first, values[inside], minlength=count)

    standing_s = ticks.standing_ms() / 1000
    adverse = orders.adverse_at(HEADLINE_S)
    known = ~np.isnan(adverse)
    true_range, atr = _ranges(ticks, first, count)
    return CoinMinutes(
        coin=coin,
        minute=np.arange(first, first + count),
        seconds=per_minute(ticks.time_ms, standing_s),
        spread=per_minute(ticks.time_ms, ticks.spread_bps * standing_s),
        **_moves(ticks, per_minute)._asdict(),
        true_range=true_range,
        atr=atr,
        orders=per_minute(orders.time_ms, np.ones(len(known))),
        known=per_minute(orders.time_ms, known.astype(float)),
        adverse=per_minute(orders.time_ms, np.where(known, adverse, 0.0)),
    )


class _Moves(NamedTuple):
    returns: Array
    moved: Array
    square: Array
    pairs: Array
    bipower: Array


def _moves(ticks: Ticks, per_minute: Callable[[Array, Array], Array]) -> "_Moves":
    begin, end = -(-ticks.time_ms[0] // STEP_MS), ticks.time_ms[-1] // STEP_MS
    at = np.arange(begin, end + 1, dtype=np.int64) * STEP_MS
    index, fresh = standing(ticks.time_ms, at)
    moves = np.diff(np.log(np.where(fresh, ticks.mid[index], np.nan)))
    known = ~np.isnan(moves)
    size = np.where(known, np.abs(moves), 0.0)
    before = np.concatenate([[0.0], size[:-1]])
    paired = known & np.concatenate([[False], known[:-1]]) if len(known) else known
    time_ms = at[:-1]
    columns = (
        known,
        known & (size > 0),
        size**2,
        paired,
        np.pi / 2 * size * np.where(paired, before[: len(size)], 0),
    )
    return _Moves(*(per_minute(time_ms, column.astype(float)) for column in columns))


def _ranges(ticks: Ticks, first: int, count: int) -> tuple[Array, Array]:
    """True range and ATR of every minute as fractions of the close; a minute without a tick breaks the chain."""
    true_range, atr = np.full(count, np.nan), np.full(count, np.nan)
    minute = ticks.time_ms // MINUTE_MS - first
    starts = np.flatnonzero(np.diff(minute, prepend=-1))
    if not len(starts):
        return true_range, atr
    mid, at = ticks.mid, minute[starts]
    high, low = np.maximum.reduceat(mid, starts), np.minimum.reduceat(mid, starts)
    close = mid[np.append(starts[1:], len(mid)) - 1]
    for run in np.split(np.arange(len(at)), np.flatnonzero(np.diff(at) > 1) + 1):
        bars = [Bar(*bar) for bar in zip(high[run].tolist(), low[run].tolist(), close[run].tolist(), strict=True)]
        found = average_range(bars, ATR_BARS)
        true_range[at[run]] = np.array(found.tr) / close[run]
        atr[at[run]] = np.array(found.atr, float) / close[run]
    return true_range, atr


def sigma(square: Array, returns: Array) -> Array:
    """Volatility, fraction per √s."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.sqrt(square / (returns * STEP_MS / 1000)))


def spread_of(spread: Array, seconds: Array) -> Array:
    """Weighted by time, bps."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(spread / seconds)
