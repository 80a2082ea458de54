"""What the bot did in shadow under the present settings: minutes, fills and what they earned, from the files."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.store import FRESH_MS, Store
from market_maker.gates.runs import HALTED, Run, left_out
from market_maker.live.gates import Subject

HORIZON_MS = 5000
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
Floats = NDArray[np.float64]

_MINUTES = """
    WITH steps AS (
        SELECT *, realized_usd + unrealized_usd - fees_usd + funding_usd AS pnl_usd,
            lag(pnl_usd) OVER w AS pnl_before, lag(orders_canceled) OVER w AS canceled_before
        FROM account WHERE timestamp_ms >= $since
        WINDOW w AS (PARTITION BY run_id, mode, coin ORDER BY timestamp_ms)
    )
    SELECT run_id, mode, timestamp_ms, sum(seen_s), sum(at_limit_s), bool_and(2 * halted_s > seen_s),
        sum(CASE WHEN pnl_before IS NOT NULL THEN pnl_usd - pnl_before
                 WHEN list_contains($whole, run_id) THEN pnl_usd ELSE 0 END),
        sum(CASE WHEN canceled_before IS NULL AND NOT list_contains($whole, run_id) THEN 0
                 WHEN canceled_before <= orders_canceled THEN orders_canceled - canceled_before
                 ELSE orders_canceled END)
    FROM steps GROUP BY run_id, mode, timestamp_ms ORDER BY timestamp_ms
"""
"""A coin's totals become what each minute added, so a coin that misses a minute is carried. Totals of a run that
began before `$since` are unknown at its first row there. Orders count anew when the executor was restarted."""
_FILLS = """
    SELECT f.run_id, f.mode, f.coin, f.timestamp_ms,
        CASE f.side WHEN 'bid' THEN 1 ELSE -1 END * (t.mid - f.px) / f.mid_px * 1e4
            - f.fee_usd / (f.px * f.sz) * 1e4 AS edge_bps,
        t.timestamp_ms AS mid_ms
    FROM (SELECT *, timestamp_ms + $horizon AS due_ms FROM {fills} WHERE timestamp_ms >= $since) f
    ASOF LEFT JOIN {ticks} t ON f.due_ms >= t.timestamp_ms
"""
"""Of one coin."""


_MinuteRow = tuple[str, str, int, int, int, bool, float, int]
_FillRow = tuple[str, str, str, int, float | None, int | None]


class Minute(NamedTuple):
    """Seconds are summed over coins. `halted`: no coin was quoted for most of it, as everything was halted; what
    positions did counts, the time does not. `pnl_usd`, `canceled`: added in this minute."""

    run_id: str
    time_ms: int
    seen_s: int
    at_limit_s: int
    halted: bool
    pnl_usd: float
    canceled: int


class Fill(NamedTuple):
    """`edge_bps` after fee against the mid 5 s later; None where no book stood then."""

    run_id: str
    time_ms: int
    coin: str
    edge_bps: float | None


@dataclass(frozen=True)
class Shadow:
    """What counts, in order of time, and what was left out."""

    minutes: tuple[Minute, ...] = ()
    fills: tuple[Fill, ...] = ()
    left_out: Mapping[str, int] | None = None
    """Minutes, by reason."""
    codes: Mapping[str, int] | None = None
    """Counted minutes, by code."""

    @property
    def times_ms(self) -> list[int]:
        """Of the minutes in which the bot was free to quote."""
        return sorted({minute.time_ms for minute in self.minutes if not minute.halted})

    @property
    def hours(self) -> float:
        return len(self.times_ms) / 60

    @property
    def coins(self) -> tuple[str, ...]:
        return tuple(sorted({fill.coin for fill in self.fills}))

    def since(self, hours: float) -> int | None:
        """Where the last so many counted hours begin (ms); None when there are fewer."""
        times, wanted = self.times_ms, round(hours * 60)
        return times[-wanted] if len(times) >= wanted else None


def read_shadow(store: Store, runs: Mapping[str, Run], subject: Subject, since_ms: int) -> Shadow:
    """From the account and fills files and the ticks beside them."""
    whole = [run.run_id for run in runs.values() if run.start_ms >= since_ms]
    minutes = store.sql(_MINUTES, {"since": since_ms, "whole": whole}).fetchall()
    fills: list[_FillRow] = []
    for (coin,) in store.sql("SELECT DISTINCT coin FROM fills").fetchall():
        query = _FILLS.format(fills=store.of("fills", coin), ticks=store.of("ticks", coin))
        fills += store.sql(query, {"since": since_ms, "horizon": HORIZON_MS}).fetchall()
    return counted(minutes, sorted(fills, key=lambda fill: fill[3]), runs, subject)


def counted(
    minutes: Iterable[_MinuteRow],
    fills: Iterable[_FillRow],
    runs: Mapping[str, Run],
    subject: Subject,
) -> Shadow:
    """Rows as the files have them, less those of other settings."""
    kept, without, codes = [], Counter[str](), Counter[str]()
    for run_id, mode, time_ms, seen_s, at_limit_s, halted, pnl_usd, canceled in minutes:
        run = runs.get(run_id)
        why = left_out(run, mode, subject)
        if why is not None or run is None:
            without[why or ""] += 1
            continue
        if halted:
            without[HALTED] += 1
        else:
            codes[run.code] += 1
        kept.append(Minute(run_id, time_ms, seen_s, at_limit_s, halted, pnl_usd, canceled))
    ours = [
        Fill(run_id, time_ms, coin, _edge(time_ms, edge_bps, mid_ms))
        for run_id, mode, coin, time_ms, edge_bps, mid_ms in fills
        if left_out(runs.get(run_id), mode, subject) is None
    ]
    return Shadow(tuple(kept), tuple(ours), dict(without), dict(codes))


def _edge(time_ms: int, edge_bps: float | None, mid_ms: int | None) -> float | None:
    """A book older than `FRESH_MS` at the horizon says nothing."""
    if edge_bps is None or mid_ms is None or time_ms + HORIZON_MS - mid_ms > FRESH_MS:
        return None
    return edge_bps


# ---- what the statistics rest on -----------------------------------------------------------------------------

WINDOW_MS = 10 * MINUTE_MS
COLUMNS = ("edge_bps", "labelled", "adverse", "fills", "canceled", "pnl_usd", "hours")


def window_sums(shadow: Shadow) -> Floats:
    """One row for each window of ten minutes in which anything was counted: sums by `COLUMNS`."""
    numbers = {start: row for row, start in enumerate(_windows(shadow))}
    sums = np.zeros((len(numbers), len(COLUMNS)))
    seen = set()
    for minute in shadow.minutes:
        row = sums[numbers[minute.time_ms // WINDOW_MS]]
        row[4:6] += minute.canceled, minute.pnl_usd
        if minute.time_ms not in seen:
            row[6] += MINUTE_MS / HOUR_MS
            seen.add(minute.time_ms)
    for fill in shadow.fills:
        row = sums[numbers[fill.time_ms // WINDOW_MS]]
        row[3] += 1
        if fill.edge_bps is not None:
            row[:3] += fill.edge_bps, 1, fill.edge_bps < 0
    return sums


def _windows(shadow: Shadow) -> list[int]:
    times = [minute.time_ms for minute in shadow.minutes] + [fill.time_ms for fill in shadow.fills]
    return sorted({time_ms // WINDOW_MS for time_ms in times})


def returns(shadow: Shadow, balance_usd: float) -> Floats:
    """Of equity, minute by minute, run after run. A minute without a row carries the last value; the time between
    runs, in which nothing was quoted, is left out."""
    found: list[float] = []
    equity_usd, before = balance_usd, None
    for minute in shadow.minutes:
        if before is not None and before.run_id == minute.run_id:
            found += [0.0] * max(0, (minute.time_ms - before.time_ms) // MINUTE_MS - 1)
        found.append(minute.pnl_usd / equity_usd)
        equity_usd += minute.pnl_usd
        before = minute
    return np.array(found)
