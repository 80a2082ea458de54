"""Gate 5: go or no-go, from gates 1 to 4, the wholeness of the data, and what shadow trading earned.

Never GO while one of the other gates is not. Shadow results are those of all recorded shadow minutes, whatever the
settings were; `market_maker gates` counts only those under the present ones, asks what only a person can answer,
and writes the evidence that live trading reads.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.bootstrap import intervals
from analysis.estimates import Estimate, Judgement
from analysis.integrity.examine import MOST_CRITICAL_GAPS
from analysis.sharpe import LAGS, MIN_RETURNS, PERIOD_S, Sharpe, cautious
from analysis.store import Store
from analysis.tables import Cell, Chart, Column, Section, Series, Table

OTHERS = ("gate1", "gate2", "gate3", "gate4")
NAMES: Mapping[str, str] = {
    "gate1": "spread against adverse selection",
    "gate2": "hours of the day",
    "gate3": "calibrated spreads",
    "gate4": "weekends",
}
SHADOW_H = 120.0
LEAST_SHARPE, LEAST_PSR, MOST_CANCELS_PER_FILL, LEAST_FILLS = 1.5, 0.95, 50.0, 30
MINUTES_AN_HOUR = 3600 // PERIOD_S
CHART_POINTS = 500
MINUTE_MS = 60_000
SEED = 5
Floats = NDArray[np.float64]

_MINUTES = """
    SELECT run_id, timestamp_ms, sum(pnl_usd - pnl_before) AS pnl_usd,
        sum(CASE WHEN orders_canceled < canceled_before THEN orders_canceled
            ELSE orders_canceled - canceled_before END) AS canceled,
        sum(greatest(fills - fills_before, 0)) AS fills
    FROM (
        SELECT *, realized_usd + unrealized_usd - fees_usd + funding_usd AS pnl_usd,
            lag(pnl_usd) OVER w AS pnl_before, lag(orders_canceled) OVER w AS canceled_before,
            lag(fills) OVER w AS fills_before
        FROM account WHERE mode = 'shadow' WINDOW w AS (PARTITION BY run_id, coin ORDER BY timestamp_ms)
    ) WHERE pnl_before IS NOT NULL GROUP BY run_id, timestamp_ms ORDER BY timestamp_ms, run_id
"""
"""What each minute added, over all coins. Totals at a run's first row are not known to be of one minute. Orders
count anew when the executor was restarted."""


class Shadow(NamedTuple):
    """By minute of all runs, one after the other: what it added. A minute without a row inside a run adds nothing
    (equity carries its last value); the time between runs, in which nothing was quoted, is left out."""

    time_ms: Floats
    pnl_usd: Floats
    canceled: Floats
    fills: Floats

    @property
    def hours(self) -> float:
        return len(self.pnl_usd) / MINUTES_AN_HOUR

    def returns(self, balance_usd: float) -> Floats:
        """Of equity, minute by minute."""
        before = balance_usd + np.cumsum(self.pnl_usd) - self.pnl_usd
        return self.pnl_usd / before


def read_shadow(store: Store) -> Shadow:
    """From the account files."""
    minutes: list[tuple[float, ...]] = []
    last: tuple[str, int] | None = None
    for run_id, time_ms, *added in store.sql(_MINUTES).fetchall():
        if last is not None and last[0] == run_id:
            minutes += [(missed, 0.0, 0.0, 0.0) for missed in range(last[1] + MINUTE_MS, time_ms, MINUTE_MS)]
        minutes.append((time_ms, *map(float, added)))
        last = run_id, time_ms
    columns = np.array(minutes, float).reshape(-1, 4).T
    return Shadow(*columns)


class Item(NamedTuple):
    name: str
    asked: str
    measured: Cell
    n: int | None
    judgement: Judgement


def gate5(
    gates: Sequence[Section], integrity: Judgement | None, critical_gaps: int, shadow: Shadow, balance_usd: float
) -> Section:
    """`gates` are those of 1 to 4 that were run; one that was not is not GO."""
    judged = {gate.name: gate.judgement for gate in gates}
    items = [_gate(name, judged.get(name)) for name in OTHERS]
    items += [_integrity(integrity, critical_gaps), *_trading(shadow, balance_usd)]
    rows = tuple(
        (item.name, item.asked, item.measured, item.n, item.judgement, item.judgement.said) for item in items
    )
    columns = (
        Column("item"), Column("asked"), Column("measured"), Column("n"), Column("verdict"), Column("why"),
    )  # fmt: skip
    about = (
        "All recorded shadow minutes count here, whatever the settings were. market_maker gates counts those of "
        "the present settings and asks what only a person can answer; live trading reads its evidence, not this."
    )
    charts = (_chart(shadow),) if len(shadow.pnl_usd) else ()
    return Section(
        "gate5", "Gate 5: go or no-go", _verdict(items), {}, (Table("Checklist", columns, rows, about),), charts
    )


def _verdict(items: Sequence[Item]) -> Judgement:
    failed, unknown = (
        [item for item in items if item.judgement.verdict == verdict] for verdict in ("NO-GO", "NOT ENOUGH DATA")
    )
    names = ", ".join(item.name for item in unknown)
    if failed:
        undecided = f"; undecided: {names}" if unknown else ""
        return Judgement("NO-GO", f"NO-GO: {', '.join(item.name for item in failed)}{undecided}")
    if unknown:
        needs = dict.fromkeys(item.judgement.needs for item in unknown)
        return Judgement("NOT ENOUGH DATA", f"undecided: {names}", "; ".join(filter(None, needs)))
    return Judgement(
        "GO", "gates 1 to 4 are GO, the data is whole, and shadow trading earned; see market_maker gates"
    )


def _gate(name: str, judgement: Judgement | None) -> Item:
    judgement = judgement or Judgement("NOT ENOUGH DATA", "it was not run", "all gates, without --gate")
    return Item(name, NAMES[name], None, None, judgement)


def _integrity(judgement: Judgement | None, critical_gaps: int) -> Item:
    asked = f"at most {MOST_CRITICAL_GAPS} silences of 10 min, nothing damaged"
    if judgement is None:
        return Item("data integrity", asked, None, None, Judgement("NOT ENOUGH DATA", "it was not examined"))
    return Item("data integrity", asked, critical_gaps, None, judgement)


# ---- shadow trading ------------------------------------------------------------------------------------------


def _trading(shadow: Shadow, balance_usd: float) -> list[Item]:
    minutes, fills = len(shadow.pnl_usd), int(shadow.fills.sum())
    pnl = _total(shadow)
    missing_h = SHADOW_H - shadow.hours
    if not minutes:
        judgement = Judgement(
            "NOT ENOUGH DATA", "nothing was traded in shadow here", f"{SHADOW_H:.0f} h in shadow"
        )
        none: Cell = None
        return [
            Item("shadow PnL", "> $0 over 5 days", none, 0, judgement),
            Item("shadow Sharpe", _SHARPE_ASKED, none, 0, judgement),
            Item("cancels per fill", f"< {MOST_CANCELS_PER_FILL:.0f}", none, 0, judgement),
        ]
    words = f"${pnl.value or 0:,.2f} net in {shadow.hours:,.1f} h"
    if missing_h > 0:
        earned = Judgement("NOT ENOUGH DATA", words, f"{missing_h:.1f} h more in shadow")
    elif (pnl.value or 0) > 0:
        earned = Judgement("GO", words)
    else:
        earned = _not_above(pnl.high, 0.0, words)
    returns = shadow.returns(balance_usd)
    found = cautious(returns) if minutes >= MIN_RETURNS else None
    ratio = found and Estimate(found.sr_annual, *found.ci95_annual, minutes, float(minutes))
    return [
        Item("shadow PnL", "> $0 over 5 days (USD)", pnl, minutes, earned),
        Item("shadow Sharpe", _SHARPE_ASKED, ratio, minutes, _sharpe(found, shadow.hours)),
        _cancels(shadow, fills),
    ]


_SHARPE_ASKED = f"> {LEAST_SHARPE} a year and PSR(0) >= {LEAST_PSR:.0%}"


def _total(shadow: Shadow) -> Estimate:
    """PnL of all minutes; the interval of its mean from blocks of hours, times their number."""
    minutes = len(shadow.pnl_usd)
    starts = np.arange(0, minutes, MINUTES_AN_HOUR)
    sums = np.stack([np.add.reduceat(column, starts) for column in (shadow.pnl_usd, np.ones(minutes))], axis=1)
    return intervals(sums, lambda drawn: minutes * drawn[..., :1] / drawn[..., 1:], [minutes], seed=SEED)[0]


def _sharpe(found: Sharpe | None, hours: float) -> Judgement:
    """Over five days the standard error is 8.5, so the ratio alone would test nothing."""
    more_h = max(SHADOW_H - hours, 0.0)
    if found is None:
        reason = f"fewer than {MIN_RETURNS} minutes, or none in which equity moved"
        return Judgement("NOT ENOUGH DATA", reason, f"{more_h:.1f} h more in shadow")
    words = f"PSR(0) {found.psr:.1%}, from returns of {PERIOD_S} s, autocorrelation of {LAGS} lags heeded"
    if found.min_track_record_periods is not None:
        more_h = max(more_h, found.min_track_record_periods / MINUTES_AN_HOUR - hours)
    if hours < SHADOW_H:
        return Judgement("NOT ENOUGH DATA", words, f"{more_h:,.1f} h more in shadow")
    if found.sr_annual <= LEAST_SHARPE:
        return _not_above(found.ci95_annual[1], LEAST_SHARPE, words)
    if found.psr < LEAST_PSR:
        return Judgement("NOT ENOUGH DATA", words, f"about {more_h:,.0f} h more in shadow, if it stays so")
    return Judgement("GO", words)


def _not_above(high: float | None, threshold: float, words: str) -> Judgement:
    """Below its threshold, and by chance or not."""
    if high is not None and high <= threshold:
        return Judgement("NO-GO", words)
    return Judgement("NOT ENOUGH DATA", f"{words}; too low, perhaps by chance", "a better result")


def _cancels(shadow: Shadow, fills: int) -> Item:
    canceled = int(shadow.canceled.sum())
    words = f"{canceled:,} cancels for {fills:,} fills"
    if fills < LEAST_FILLS:
        judgement = Judgement("NOT ENOUGH DATA", words, f"{LEAST_FILLS - fills} more fills")
    else:
        judgement = Judgement("GO" if canceled < MOST_CANCELS_PER_FILL * fills else "NO-GO", words)
    ratio = canceled / fills if fills else None
    return Item("cancels per fill", f"< {MOST_CANCELS_PER_FILL:.0f}", ratio, fills, judgement)


def _chart(shadow: Shadow) -> Chart:
    """At most `CHART_POINTS` places."""
    step = -(-len(shadow.pnl_usd) // CHART_POINTS)
    picked = slice(step - 1, None, step)
    hours = (np.arange(len(shadow.pnl_usd)) + 1)[picked] / MINUTES_AN_HOUR
    earned = np.cumsum(shadow.pnl_usd)[picked]
    series = Series("PnL", tuple(hours.tolist()), tuple(earned.tolist()))
    return Chart("Shadow PnL, net of fees and funding", "hours in shadow", "USD", (series,))
