"""What days of recorded data say of a coin, beside the minutes the screener sees itself.

History takes the place of the built-in priors. However long it is, it speaks with the weight of `SHARE` of the
live window at most: a market that has changed has outvoted it 2.5 to 1 by the time the window is full.
"""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from shared.funding import HOUR_MS
from shared.market_profile import FILE, HOURS, CoinProfile, MarketProfile, Measured, Rung

SHARE = 0.4
DAY_MS = HOURS * HOUR_MS
MAX_AGE_MS = 7 * DAY_MS
MIN_HOURS = 3.0
"""A coin's history below the least that gate 1 judges by says no more than the live window."""
MAX_WIDENING = 4.0
_EPOCH_WEEKDAY, _SATURDAY = 3, 5
"""1970 began on a Thursday; Monday is 0."""


@dataclass(frozen=True, slots=True)
class HistoryRead:
    """Input: the profile as it lies on disk, or None; `problem` says what is wrong with a file that is there."""

    profile: MarketProfile | None
    problem: str = ""


class Widening(NamedTuple):
    """What the time of the week multiplies a half spread by, never below 1: that a time is calm shows live."""

    hour: float = 1.0
    weekend: float = 1.0

    @property
    def total(self) -> float:
        return min(max(self.hour * self.weekend, 1.0), MAX_WIDENING)


def objection(read: HistoryRead, venue: str, now_ms: int) -> str:
    """Why a profile says nothing of now; empty if it does."""
    profile = read.profile
    if read.problem:
        return read.problem
    if profile is None:
        return f"there is no {FILE} yet"
    wrong = next((coin.coin for coin in profile.coins if not _sound(coin)), None)
    if wrong is not None:
        return f"the market profile is damaged at {wrong}; market_maker analyze writes a new one"
    if profile.venue != venue:
        return f"the market profile is of venue {profile.venue}, this is {venue}"
    if profile.last_ms > now_ms:
        return f"the market profile knows the future: its data go to {day(profile.last_ms)}"
    if now_ms - profile.last_ms > MAX_AGE_MS:
        return f"the market profile's data end on {day(profile.last_ms)}, more than 7 days ago"
    return ""


def _sound(coin: CoinProfile) -> bool:
    measured = (coin.spread_bps, coin.adverse_bps, coin.beyond_bps, *(rung.adverse_bps for rung in coin.rungs))
    never_negative = (
        coin.hours_of_data,
        coin.market_orders,
        *(one.se for one in measured),
        *(one.n_effective for one in measured),
        *(rung.fills_per_hour for rung in coin.rungs),
    )
    distances = [rung.half_spread_bps for rung in coin.rungs]
    return (
        len(coin.hours) == HOURS
        and min(*coin.hours, coin.weekend) > 0
        and min(never_negative) >= 0
        and all(inner < outer for inner, outer in pairwise(distances))
    )


def day(time_ms: int) -> str:
    """2026-01-31, UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).date().isoformat()


def hour_utc(now_ms: int) -> int:
    return now_ms // HOUR_MS % HOURS


def widening(history: CoinProfile | None, now_ms: int) -> Widening:
    if history is None:
        return Widening()
    weekday = (now_ms // DAY_MS + _EPOCH_WEEKDAY) % 7
    return Widening(history.hours[hour_utc(now_ms)], history.weekend if weekday >= _SATURDAY else 1.0)


def rung_at(history: CoinProfile | None, half_spread_bps: float) -> Rung | None:
    """History of a quote at any distance: between two measured ones straight lines (of the logarithm for fills),
    resting on the weaker of the two; inside the tightest it is taken as that, outside the widest nothing is known.
    """
    rungs = [rung for rung in history.rungs if rung.adverse_bps.n_effective > 0] if history else []
    index = bisect_left(rungs, half_spread_bps, key=lambda rung: rung.half_spread_bps)
    if index == len(rungs):
        return None
    outer = rungs[index]
    inner = rungs[index - 1] if index else outer
    if inner is outer:
        return outer
    part = (half_spread_bps - inner.half_spread_bps) / (outer.half_spread_bps - inner.half_spread_bps)
    a, b = inner.adverse_bps, outer.adverse_bps
    return Rung(
        half_spread_bps=half_spread_bps,
        adverse_bps=Measured(
            a.value + part * (b.value - a.value), max(a.se, b.se), min(a.n, b.n), min(a.n_effective, b.n_effective)
        ),
        fills_per_hour=inner.fills_per_hour ** (1 - part) * outer.fills_per_hour**part,
    )


def adverse_at(history: CoinProfile, half_spread_bps: float, enough: float) -> Measured:
    """Adverse selection of a quote at any distance; where that rests on too little, or is outside all rungs, it is
    that of the widest rung inside which has enough, or of the best measured one, or of all orders."""
    rung = rung_at(history, half_spread_bps)
    inside = [one.adverse_bps for one in history.rungs if one.half_spread_bps < half_spread_bps]
    measured = [*([rung.adverse_bps] if rung else ()), *reversed(inside)]
    best = max(measured, key=lambda one: one.n_effective, default=history.adverse_bps)
    return next((one for one in measured if one.n_effective >= enough), best)
