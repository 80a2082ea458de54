"""How a fill is judged: by the mid after it, and by the trades that hit it.

Signs: capture, markout and edge + is good for us. A fill is adverse when its edge after the fee is negative.
"""

from decimal import Decimal
from typing import NamedTuple

from market_maker.explain.evidence import FRESH_MS, Mid
from services.guard.estimators.edges import outcome
from shared.messages import Fill, Trade

HORIZONS_S = (1, 5, 30, 60)
JUDGED_S = 5


class Markout(NamedTuple):
    """The fill judged by the mid so many seconds later; None where no book near that time is known."""

    horizon_s: int
    mid_px: float | None = None
    markout_bps: float | None = None
    edge_bps: float | None = None
    edge_usd: float | None = None


class Sweep(NamedTuple):
    """The trades of the fill's block that hit our side."""

    prints: tuple[Trade, ...]
    usd: Decimal
    through_usd: Decimal
    """What of it traded at our price or beyond."""


def mid_at(mids: tuple[Mid, ...], time_ms: int) -> Mid | None:
    """The last mid at or before a time, if it is fresh."""
    last = next((mid for mid in reversed(mids) if mid.time_ms <= time_ms), None)
    return last if last is not None and time_ms - last.time_ms <= FRESH_MS else None


def markout_of(fill: Fill, fee_bps: float, horizon_s: int, mids: tuple[Mid, ...]) -> Markout:
    due_ms = fill.time_ms + 1000 * horizon_s
    mid = mid_at(mids, due_ms) if mids and mids[-1].time_ms >= due_ms else None
    if mid is None:
        return Markout(horizon_s)
    found = outcome(fill.side, float(fill.px), float(fill.mid_px), mid.px, fee_bps)
    edge_usd = found.edge_bps * 1e-4 * float(fill.mid_px * fill.sz)
    return Markout(horizon_s, mid.px, found.markout_bps, found.edge_bps, edge_usd)


def sweep_of(fill: Fill, prints: tuple[Trade, ...]) -> Sweep:
    aggressor = "A" if fill.side == "bid" else "B"
    hits = tuple(trade for trade in prints if trade.side == aggressor)
    reaching = [trade for trade in hits if (trade.px <= fill.px if fill.side == "bid" else trade.px >= fill.px)]
    return Sweep(hits, ntl_usd(hits), ntl_usd(reaching))


def ntl_usd(trades: tuple[Trade, ...] | list[Trade]) -> Decimal:
    return sum((trade.px * trade.sz for trade in trades), Decimal(0))


def verdict_of(fill: Fill, sweep: Sweep, markouts: tuple[Markout, ...], fee_bps: float, now_ms: float) -> str:
    word = "sell" if fill.side == "bid" else "buy"
    kind = "sweep" if len({trade.px for trade in sweep.prints}) > 1 else "order"
    filled = (
        f"Filled by a {sweep.usd:,.0f} USD {word} {kind}"
        if sweep.prints
        else f"Filled by a {word} order of unknown size"
    )
    told = [mark for mark in markouts if mark.edge_bps is not None]
    mark = next((mark for mark in told if mark.horizon_s == JUDGED_S), told[-1] if told else None)
    if mark is None or mark.markout_bps is None or mark.edge_bps is None:
        young = now_ms - fill.time_ms < 1000 * JUDGED_S
        return f"{filled}; {'too young for a verdict' if young else 'the mid after it is not known: no verdict'}"
    move_bps = mark.markout_bps if fill.side == "bid" else -mark.markout_bps
    move = (
        f"{abs(move_bps):.1f} bps {'higher' if move_bps > 0 else 'lower'}" if round(move_bps, 1) else "unchanged"
    )
    cost = f"{fee_bps:.1f} bps fee" if fee_bps >= 0 else f"{-fee_bps:.1f} bps rebate"
    judged = "adverse" if mark.edge_bps < 0 else "good"
    return (
        f"{filled}; {mark.horizon_s} s later the mid was {move}: {judged}; "
        f"net edge {mark.edge_bps:+z.1f} bps ({mark.edge_usd:+.4f} USD) after {cost}"
    )
