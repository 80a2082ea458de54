"""Gate 2: the market by hour of the day (UTC), and which hours are chaotic.

An hour is chaotic when its volatility or its spread is shown to be more than `hours.CHAOTIC` times that of the
median hour, at 5 % for all hours and coins together (Holm). GO says that the profile is known: every hour was seen
on two days at least, as one day cannot tell an hour from an event, and an hour `DETECTABLE` times as wild as usual
would very probably (80 %) have been found. NO-GO: every hour is in the halt regime, there is none to quote in.
"""

from collections.abc import Mapping
from typing import NamedTuple
from zlib import crc32

import numpy as np
from scipy import stats

from analysis.estimates import Estimate, Judgement
from analysis.gate2_tables import clock, section
from analysis.hours import (
    ALL_COINS,
    CHAOTIC,
    HOURS,
    MIN_CELL_S,
    MIN_DAYS,
    Effects,
    Profile,
    cells,
    fit,
    multipliers,
    pooled,
)
from analysis.minutes import CoinMinutes
from analysis.multiple import FAMILYWISE, holm
from analysis.orders import Array
from analysis.regimes import Regimes, regimes
from analysis.tables import Section
from shared.regime import HALT_ATR_FRAC

DETECTABLE = 3.0
POWER = 0.8


class Gate2(NamedTuple):
    """`hours` multiply a half spread, by coin and hour; `reasons` say why one is not 1."""

    section: Section
    hours: dict[str, tuple[float, ...]]
    reasons: dict[str, tuple[str, ...]]
    profiles: dict[str, Profile]


def gate2(minutes: Mapping[str, CoinMinutes]) -> Gate2:
    """All coins together, as their number decides how sure each has to be."""
    tables = {coin: cells(one) for coin, one in minutes.items()}
    fits = {coin: (fit(table.log_sigma), fit(table.log_spread)) for coin, table in tables.items()}
    if len(minutes) > 1:
        fits[ALL_COINS] = (
            fit(pooled([(table.day, table.log_sigma) for table in tables.values()])),
            fit(pooled([(table.day, table.log_spread) for table in tables.values()])),
        )
    chaotic = _chaotic(fits)
    tests = 2 * HOURS * len(fits)
    profiles = {
        coin: Profile(
            tables[coin].days_seen if coin in tables else fits[coin][0].days,
            *fits[coin],
            chaotic[coin],
            _detectable(fits[coin][0], tests),
        )
        for coin in fits
    }
    ranges = {
        coin: regimes(one, ~np.isin(np.arange(HOURS), chaotic[coin]), crc32(coin.encode()))
        for coin, one in minutes.items()
    }
    judged = {coin: _judge(one, profiles[coin], ranges[coin], tests) for coin, one in minutes.items()}
    hours = {coin: multipliers(profiles[coin].sigma, profiles[coin].spread) for coin in minutes}
    return Gate2(
        section(minutes, profiles, ranges, judged, hours),
        hours,
        {coin: _reasons(profiles[coin], hours[coin]) for coin in minutes},
        profiles,
    )


# ---- what is found -------------------------------------------------------------------------------------------


def _chaotic(fits: Mapping[str, tuple[Effects, Effects]]) -> dict[str, tuple[int, ...]]:
    p = np.array([[effects.p_above(CHAOTIC) for effects in pair] for pair in fits.values()])
    found = np.array(holm(p.ravel().tolist())).reshape(p.shape).min(axis=1) <= FAMILYWISE
    return {coin: tuple(np.flatnonzero(row).tolist()) for coin, row in zip(fits, found, strict=True)}


def _detectable(effects: Effects, tests: int) -> float | None:
    known = effects.se[np.isfinite(effects.se)]
    if not len(known):
        return None
    return float(CHAOTIC * np.exp(_reach(effects.df, tests) * np.median(known)))


def _reach(df: int, tests: int) -> float:
    """Standard errors from `CHAOTIC` that are found with `POWER`."""
    return float(stats.t.ppf(1 - FAMILYWISE / tests, df) + stats.t.ppf(POWER, df))


def _reasons(profile: Profile, hours: tuple[float, ...]) -> tuple[str, ...]:
    return tuple(
        f"{hour:02d}-{(hour + 1) % HOURS:02d} UTC ×{multiplier:.2f}: volatility "
        f"{_times(profile.sigma.ratio(hour))}, spread {_times(profile.spread.ratio(hour))} the usual"
        for hour, multiplier in enumerate(hours)
        if multiplier > 1
    )


def _times(ratio: Estimate) -> str:
    return f"{ratio.value or 0:.2f} [{ratio.low or 0:.2f}, {ratio.high or 0:.2f}] times"


# ---- verdicts ------------------------------------------------------------------------------------------------


def _judge(minutes: CoinMinutes, profile: Profile, ranges: Regimes, tests: int) -> Judgement:
    missing = np.maximum(MIN_DAYS - profile.days, 0)
    if missing.any():
        never, once = int((profile.days == 0).sum()), int((profile.days == 1).sum())
        parts = [f"{never} hours of the day were never seen for {MIN_CELL_S // 60} min"] if never else []
        parts += [f"{once} {'hours of the day were ' if not never else ''}seen on one day only"] if once else []
        more = hours_until_seen(missing, (int(minutes.minute[-1]) // 60 + 1) % HOURS)
        return Judgement("NOT ENOUGH DATA", ", ".join(parts), f"about {more} h more without holes")
    if np.nanmin(ranges.hourly_atr) >= HALT_ATR_FRAC:
        lowest = 100 * np.nanmin(ranges.hourly_atr)
        return Judgement("NO-GO", f"every hour is in the halt regime (mean ATR {lowest:.2f} % at least)")
    days = int(profile.days.min())
    if profile.detectable is None or profile.detectable > DETECTABLE:
        reason = f"{days} days vary too much to find an hour {DETECTABLE:g} times as wild as usual"
        return Judgement("NOT ENOUGH DATA", reason, f"about {_more_days(profile.sigma, days, tests)} days more")
    found = f"chaotic: {clock(profile.chaotic)}" if profile.chaotic else "no chaotic hour"
    return Judgement(
        "GO", f"{found}; {days} days, an hour {profile.detectable:.1f} times as wild would have been found"
    )


def hours_until_seen(missing: Array, next_hour: int) -> int:
    """Hours of recording without a hole from now until every hour of the day was seen as often as is missing."""
    left, hours = missing.copy(), 0
    while left.any():
        place = (next_hour + hours) % HOURS
        left[place] = max(left[place] - 1, 0)
        hours += 1
    return hours


def _more_days(effects: Effects, days: int, tests: int) -> int:
    """Standard errors shrink with the root of the days."""
    known = effects.se[np.isfinite(effects.se)]
    if not len(known):
        return MIN_DAYS
    wanted = days * (_reach(effects.df, tests) * float(np.median(known)) / np.log(DETECTABLE / CHAOTIC)) ** 2
    return max(1, int(np.ceil(wanted - days)))
