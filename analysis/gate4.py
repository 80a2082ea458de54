"""Gate 4: the market on Saturdays and Sundays (UTC) against the other days.

Days are the observations: each one's mean of ln σ and ln spread by hour, the usual course of the day taken out, so
that a missing night does not look like a calm day. GO says that the multiplier is known; NO-GO that weekends are
not to be quoted: a multiplier at its bound, or a mean range in the halt regime.
"""

from collections.abc import Mapping
from typing import NamedTuple
from zlib import crc32

import numpy as np
from scipy import stats

from analysis.bootstrap import Resampled, resample
from analysis.estimates import LEVEL, Estimate, Judgement
from analysis.hours import MAX_MULTIPLIER, MIN_CELL_S, MIN_MULTIPLIER, cells
from analysis.judging import overall
from analysis.minutes import EPOCH_WEEKDAY, CoinMinutes, sigma, spread_of, weekend
from analysis.orders import BPS, Array
from analysis.tables import Column, Section, Table
from shared.regime import HALT_ATR_FRAC

DAY_HOURS = 20
"""Hours of half an hour's data at least that make a day."""
MIN_WEEKDAYS = 2
WIDEST = 2.0
"""An interval that reaches further than this factor from its value is too wide to act on."""
SATURDAY, SUNDAY = 5, 6


class Days(NamedTuple):
    """How many days of each kind have `DAY_HOURS`."""

    saturdays: int
    sundays: int
    weekdays: int


class Contrast(NamedTuple):
    """Weekend over weekdays."""

    days: Days
    sigma: Estimate
    spread: Estimate
    multiplier: float


class Gate4(NamedTuple):
    """`weekend` multiplies a half spread on Saturdays and Sundays; `reasons` say why one is not 1."""

    section: Section
    weekend: dict[str, float]
    reasons: dict[str, tuple[str, ...]]
    contrasts: dict[str, Contrast]


def gate4(minutes: Mapping[str, CoinMinutes]) -> Gate4:
    contrasts = {coin: contrast(one) for coin, one in minutes.items()}
    judged = {coin: _judge(contrasts[coin], one) for coin, one in minutes.items()}
    tables = (_ratios(contrasts, judged), _levels(minutes))
    section = Section(
        "gate4", "Gate 4: weekends against weekdays", overall(judged, "has a weekend to quote on"), judged, tables
    )
    return Gate4(
        section,
        {coin: one.multiplier for coin, one in contrasts.items()},
        {coin: _reasons(one) for coin, one in contrasts.items()},
        contrasts,
    )


# ---- what is found -------------------------------------------------------------------------------------------


def contrast(minutes: CoinMinutes) -> Contrast:
    table = cells(minutes)
    whole = (table.seconds >= MIN_CELL_S).sum(axis=1) >= DAY_HOURS
    kind = (table.day + EPOCH_WEEKDAY) % 7
    days = Days(*(int((whole & chosen).sum()) for chosen in (kind == SATURDAY, kind == SUNDAY, kind < SATURDAY)))
    ratios = [_ratio(one[whole], weekend(table.day[whole])) for one in (table.log_sigma, table.log_spread)]
    largest = max(_shrunk(ratio) for ratio in ratios)
    multiplier = round(min(largest, MAX_MULTIPLIER), 3) if largest >= MIN_MULTIPLIER and not missing(days) else 1.0
    return Contrast(days, ratios[0], ratios[1], multiplier)


def _ratio(table: Array, is_weekend: Array) -> Estimate:
    """Two groups of days with one variance; the interval has (days − 2) degrees of freedom."""
    if not len(table) or is_weekend.all() or not is_weekend.any():
        return Estimate(None, None, None, len(table), len(table))
    with np.errstate(invalid="ignore"):
        known = np.isfinite(table)
        hourly = np.nansum(table, axis=0) / np.maximum(known.sum(axis=0), 1)
        daily = np.nansum(table - hourly, axis=1) / known.sum(axis=1)
    groups = [daily[is_weekend], daily[~is_weekend]]
    effect, df = float(groups[0].mean() - groups[1].mean()), len(daily) - 2
    if df < 2 or min(map(len, groups)) < 2:
        return Estimate(float(np.exp(effect)), None, None, len(daily), len(daily))
    variance = sum(float(((group - group.mean()) ** 2).sum()) for group in groups) / df
    reach = stats.t.ppf((1 + LEVEL) / 2, df) * np.sqrt(variance * sum(1 / len(group) for group in groups))
    low, value, high = np.exp([effect - reach, effect, effect + reach]).tolist()
    return Estimate(value, low, high, len(daily), len(daily))


def _shrunk(ratio: Estimate) -> float:
    """Drawn towards 1 by its uncertainty, wholly where the interval holds 1."""
    if ratio.value is None or ratio.low is None or ratio.value == 1:
        return 1.0
    effect, reach = np.log(ratio.value), np.log(ratio.value / ratio.low)
    return float(np.exp(effect * max(0.0, 1 - (reach / effect) ** 2)))


def missing(days: Days) -> list[str]:
    """Days still to be recorded."""
    return [
        f"{wanted - have} {name}{'s' if wanted - have > 1 else ''}"
        for name, have, wanted in (
            ("Saturday", days.saturdays, 1),
            ("Sunday", days.sundays, 1),
            ("weekday", days.weekdays, MIN_WEEKDAYS),
        )
        if have < wanted
    ]


def _judge(found: Contrast, minutes: CoinMinutes) -> Judgement:
    lacking = missing(found.days)
    if lacking:
        days = found.days
        seen = (
            f"{days.saturdays} Saturdays, {days.sundays} Sundays, {days.weekdays} weekdays of {DAY_HOURS} h seen"
        )
        return Judgement("NOT ENOUGH DATA", seen, f"{', '.join(lacking)} of {DAY_HOURS} h each")
    atr = minutes.atr[weekend(minutes.day) & np.isfinite(minutes.atr)]
    if len(atr) and atr.mean() >= HALT_ATR_FRAC:
        return Judgement("NO-GO", f"weekends are in the halt regime (mean ATR {100 * atr.mean():.2f} %)")
    if found.multiplier >= MAX_MULTIPLIER:
        return Judgement("NO-GO", f"weekends are {MAX_MULTIPLIER:g} times as wild as weekdays or more")
    wide = [ratio for ratio in (found.sigma, found.spread) if _reach(ratio) > WIDEST]
    if wide:
        reason = f"days differ too much: weekend {_words(wide[0])} times weekdays"
        return Judgement("NOT ENOUGH DATA", reason, "1 more weekend at least")
    weekends = min(found.days.saturdays, found.days.sundays)
    limit = "; one weekend says nothing about how weekends differ" if weekends < 2 else ""
    return Judgement(
        "GO",
        f"weekend ×{found.multiplier:.2f}: volatility {_words(found.sigma)}, spread {_words(found.spread)}{limit}",
    )


def _reach(ratio: Estimate) -> float:
    return ratio.value / ratio.low if ratio.value and ratio.low else float("inf")


def _words(ratio: Estimate) -> str:
    return f"{ratio.value or 0:.2f} [{ratio.low or 0:.2f}, {ratio.high or 0:.2f}]"


def _reasons(found: Contrast) -> tuple[str, ...]:
    if found.multiplier == 1:
        return ()
    times = f"volatility {_words(found.sigma)}, spread {_words(found.spread)} times weekdays"
    return (f"weekend ×{found.multiplier:.2f}: {times}",)


# ---- tables --------------------------------------------------------------------------------------------------


def _ratios(contrasts: Mapping[str, Contrast], judged: Mapping[str, Judgement]) -> Table:
    columns = (
        Column("coin"), Column("verdict"), Column("Saturdays"), Column("Sundays"), Column("weekdays"),
        Column("volatility", "× weekdays"), Column("spread", "× weekdays"), Column("multiplier"),
    )  # fmt: skip
    rows = tuple(
        (coin, judged[coin], *one.days, one.sigma, one.spread, one.multiplier) for coin, one in contrasts.items()
    )
    about = (
        f"Days of {DAY_HOURS} hours at least; n counts days. The multiplier widens a half spread (1 to "
        f"{MAX_MULTIPLIER:g}): the larger ratio, drawn towards 1 by its uncertainty."
    )
    return Table("Weekend over weekdays", columns, rows, about)


def _levels(minutes: Mapping[str, CoinMinutes]) -> Table:
    columns = (
        Column("coin"), Column("days"), Column("data", "h", 1), Column("spread", "bps"), Column("σ", "bps/√s"),
        Column("orders", "/h", 0), Column("adverse 5 s", "bps"), Column("less weekdays", "bps"),
    )  # fmt: skip
    rows = []
    for coin, one in minutes.items():
        is_weekend = weekend(one.day)
        groups = {"weekdays": one.where(~is_weekend), "weekend": one.where(is_weekend)}
        found = {name: _adverse(group) for name, group in groups.items()}
        for name, group in groups.items():
            seconds = float(group.seconds.sum())
            if seconds:
                known = int(group.known.sum())
                rows.append(
                    (
                        coin,
                        name,
                        seconds / 3600,
                        float(spread_of(group.spread.sum(), group.seconds.sum())),
                        BPS * float(sigma(group.square.sum(), group.returns.sum())),
                        3600 * float(group.orders.sum()) / seconds,
                        found[name].estimates([known])[0],
                        _difference(found["weekend"], found["weekdays"], known) if name == "weekend" else None,
                    )
                )
    about = "All minutes, whole days or not. Adverse selection of all market orders, in blocks of minutes."
    return Table("Weekend and weekdays", columns, tuple(rows), about)


def _adverse(minutes: CoinMinutes) -> Resampled:
    return resample(
        minutes.sums("adverse", "known"),
        lambda sums: sums[..., :1] / sums[..., 1:],
        seed=crc32(minutes.coin.encode()),
        reps=999,
    )


def _difference(one: Resampled, other: Resampled, n: int) -> Estimate | None:
    """Two means that do not depend on each other."""
    if not (np.isfinite(one.se[0]) and np.isfinite(other.se[0])):
        return None
    value, se = float(one.values[0] - other.values[0]), float(np.hypot(one.se[0], other.se[0]))
    reach = float(stats.t.ppf((1 + LEVEL) / 2, min(one.blocks, other.blocks) - 1)) * se
    return Estimate(value, value - reach, value + reach, n, float(one.n_effective[0]))
