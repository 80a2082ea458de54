"""Gate 2 as tables and a chart."""

from collections.abc import Mapping
from zlib import crc32

import numpy as np

from analysis.bootstrap import resample
from analysis.estimates import Estimate, Judgement
from analysis.hours import (
    ALL_COINS,
    CHAOTIC,
    HOURS,
    MAX_MULTIPLIER,
    MIN_CELL_S,
    MIN_DAYS,
    MIN_DF,
    Effects,
    Profile,
)
from analysis.judging import named, overall
from analysis.minutes import CoinMinutes, sigma, spread_of
from analysis.orders import BPS
from analysis.regimes import CALM_SHARE, HALT_SHARE, Regimes
from analysis.tables import Chart, Column, Section, Series, Table
from shared.regime import CALM_ATR_FRAC, HALT_ATR_FRAC

TABLES_UP_TO = 5
"""Coins with a table of all their hours; for more, ask for one."""


def clock(hours: tuple[int, ...]) -> str:
    """`07, 14 UTC`."""
    return named([f"{hour:02d}" for hour in hours], HOURS) + " UTC"


def section(
    minutes: Mapping[str, CoinMinutes],
    profiles: Mapping[str, Profile],
    ranges: Mapping[str, Regimes],
    judged: dict[str, Judgement],
    hours: Mapping[str, tuple[float, ...]],
) -> Section:
    whole = profiles.get(ALL_COINS)
    tables = [_coins(profiles, ranges, judged, hours), _edges(ranges)]
    if whole and whole.days.any():
        tables.append(_pooled(whole))
    shown = minutes if len(minutes) <= TABLES_UP_TO else {}
    tables += [_hourly(one, profiles[coin], ranges[coin], hours[coin]) for coin, one in shown.items()]
    charted = [(name, profiles[name]) for name in ([ALL_COINS] if whole else [*minutes])]
    return Section(
        "gate2",
        "Gate 2: hours of the day",
        overall(judged, "has an hour to quote in"),
        judged,
        tuple(tables),
        tuple(_chart(name, profile) for name, profile in charted),
    )


def _coins(
    profiles: Mapping[str, Profile],
    ranges: Mapping[str, Regimes],
    judged: Mapping[str, Judgement],
    hours: Mapping[str, tuple[float, ...]],
) -> Table:
    columns = (
        Column("coin"), Column("verdict"), Column("hours seen twice"), Column("chaotic hours"),
        Column("wildest hour"), Column("multiplier"), Column("found from", "×"),
    )  # fmt: skip
    rows = tuple(
        (
            coin,
            judgement,
            int((profiles[coin].days >= MIN_DAYS).sum()),
            clock(profiles[coin].chaotic) if profiles[coin].chaotic else "none found",
            _wildest(ranges[coin]),
            max(hours[coin]),
            profiles[coin].detectable,
        )
        for coin, judgement in judged.items()
    )
    about = (
        f"Chaotic: volatility or spread shown to be over {CHAOTIC:g} times that of the median hour, corrected for "
        "all hours and coins. The multiplier is the largest of all hours; it widens a half spread (1 to "
        f"{MAX_MULTIPLIER:g}) and is the ratio drawn towards 1 by its uncertainty. Found from: an hour so many "
        "times as wild would have been found with 80 %."
    )
    return Table("Hours by coin", columns, rows, about)


def _wildest(ranges: Regimes) -> str:
    if not np.isfinite(ranges.hourly_atr).any():
        return "unknown"
    hour = int(np.nanargmax(ranges.hourly_atr))
    return f"{hour:02d} UTC (ATR {100 * ranges.hourly_atr[hour]:.2f} %)"


def _edges(ranges: Mapping[str, Regimes]) -> Table:
    columns = (
        Column("coin"), Column("n", "min"), Column("calm now", "%", 1), Column("uncertain now", "%", 1),
        Column("halt now", "%", 1), Column("calm below", "ATR %", 3), Column("halt above", "ATR %", 3),
    )  # fmt: skip
    rows = tuple(
        (
            coin, one.minutes,
            *(100 * share if one.minutes else None for share in (one.calm, one.uncertain, one.halt)),
            _percent(one.calm_edge), _percent(one.halt_edge),
        )
        for coin, one in ranges.items()
    )  # fmt: skip
    about = (
        f"Shares of minutes by the present edges (calm below {100 * CALM_ATR_FRAC:g} %, halt from "
        f"{100 * HALT_ATR_FRAC:g} % of 1-minute ATR, 14 bars), and the edges this coin's own minutes suggest: "
        f"{CALM_SHARE:.0%} of the minutes of usual hours are calm, {1 - HALT_SHARE:.0%} of all minutes halt."
    )
    return Table("Regime edges", columns, rows, about)


def _percent(edge: Estimate) -> Estimate:
    value, low, high = (None if part is None else 100 * part for part in edge[:3])
    return edge._replace(value=value, low=low, high=high)


def _pooled(profile: Profile) -> Table:
    columns = (
        Column("hour", "UTC"), Column("days"), Column("volatility", "× usual"), Column("spread", "× usual"),
        Column("chaotic"),
    )  # fmt: skip
    rows = tuple(
        (
            f"{hour:02d}", int(profile.days[hour]), profile.sigma.ratio(hour), profile.spread.ratio(hour),
            "chaotic" if hour in profile.chaotic else "",
        )
        for hour in np.flatnonzero(profile.days).tolist()
    )  # fmt: skip
    return Table("All coins by hour", columns, rows, "Mean of the coins' ratios to their median hour.")


def _hourly(minutes: CoinMinutes, profile: Profile, ranges: Regimes, hours: tuple[float, ...]) -> Table:
    columns = (
        Column("hour", "UTC"), Column("days"), Column("data", "h", 1), Column("spread", "bps"),
        Column("× usual"), Column("σ", "bps/√s"), Column("× usual"), Column("ATR", "%", 3),
        Column("orders", "/h", 0), Column("adverse 5 s", "bps"), Column("multiplier"), Column("chaotic"),
    )  # fmt: skip
    rows = []
    for hour in np.unique(minutes.hour[minutes.seconds > 0]).tolist():
        one = minutes.where(minutes.hour == hour)
        seconds = float(one.seconds.sum())
        rows.append(
            (
                f"{hour:02d}",
                int(profile.days[hour]),
                seconds / 3600,
                float(spread_of(one.spread.sum(), one.seconds.sum())),
                profile.spread.ratio(hour),
                BPS * float(sigma(one.square.sum(), one.returns.sum())),
                profile.sigma.ratio(hour),
                100 * float(ranges.hourly_atr[hour]),
                3600 * float(one.orders.sum()) / seconds,
                _adverse(one),
                hours[hour],
                "chaotic" if hour in profile.chaotic else "",
            )
        )
    about = (
        f"Days on which the hour has {MIN_CELL_S // 60} min of data. Ratios are to the median hour, days taken "
        f"out; their intervals need {MIN_DF} degrees of freedom, about a day and a half."
    )
    return Table(f"{minutes.coin} by hour", columns, tuple(rows), about)


def _adverse(minutes: CoinMinutes) -> Estimate:
    found = resample(
        minutes.sums("adverse", "known"),
        lambda sums: sums[..., :1] / sums[..., 1:],
        seed=crc32(minutes.coin.encode()),
        reps=499,
    )
    return found.estimates([int(minutes.known.sum())])[0]


def _chart(name: str, profile: Profile) -> Chart:
    def series(title: str, effects: Effects) -> Series:
        ratios = [effects.ratio(hour) for hour in range(HOURS)]
        x = tuple(float(hour) for hour, ratio in enumerate(ratios) if ratio.value is not None)
        known = [ratio for ratio in ratios if ratio.value is not None]
        shaded = all(ratio.low is not None for ratio in known)
        return Series(
            title,
            x,
            tuple(ratio.value or 0.0 for ratio in known),
            tuple(ratio.low or 0.0 for ratio in known) if shaded else (),
            tuple(ratio.high or 0.0 for ratio in known) if shaded else (),
        )

    return Chart(
        f"Hours of the day, {name}",
        "hour (UTC)",
        "times the median hour",
        (series("volatility", profile.sigma), series("spread", profile.spread)),
        labels=tuple(f"{hour:02d}" for hour in range(HOURS)),
        about="Shaded: 95 % intervals.",
    )
