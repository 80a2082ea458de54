"""One row for every market order: how far it reached, and what the mid did after it.

All prints of one coin, block time and side are one order, at the deepest price it reached; counting prints would
make one sweep many observations. The mid before is the last tick of an earlier block, as one of the same block
shows the order's own damage; the mid after is the last tick at or before the horizon. A tick older than two
seconds says nothing, so no label crosses a hole. These are the definitions of the screener's live markouts.

Signs: reach + is away from the mid in the aggressor's direction, adverse + is against the maker who was hit.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.store import FRESH_MS, Store
from shared.data_files import DEPTH_LEVELS

Array = NDArray[Any]
DAY_MS = 86_400_000
HORIZONS_S = (1, 5, 30, 60, 300)
HEADLINE_S = 5
BPS = 1e4
_DIGITS = 9
"""Prices have six significant digits; what a difference of two floats shows beyond so many is noise."""
_SLACK = 1e-6
"""Of a price step: a quote on a step stays there."""


class Ticks(NamedTuple):
    """The touch of one coin by time."""

    time_ms: Array
    bid: Array
    ask: Array

    @property
    def mid(self) -> Array:
        return (self.bid + self.ask) / 2

    @property
    def spread_bps(self) -> Array:
        return BPS * (self.ask - self.bid) / self.mid

    def standing_ms(self) -> Array:
        """For how long each tick stood; none of it where the next came too late to trust."""
        gaps = np.diff(self.time_ms, append=self.time_ms[-1:])
        return np.where(gaps <= FRESH_MS, gaps, 0)


class Orders(NamedTuple):
    """Labelled market orders of one coin by time, column by column."""

    time_ms: Array
    buy: Array
    """Did the aggressor buy?"""
    ntl_usd: Array
    px: Array
    """The deepest it reached."""
    mid_px: Array
    """Before it."""
    tick_px: Array
    """The price step there."""
    reach_bps: Array
    """Deepest price from the mid before."""
    beyond_bps: Array
    """Deepest price from the touch before."""
    adverse_bps: Array
    """Move of the mid after `HORIZONS_S` (a column each), NaN without a fresh tick."""

    def adverse_at(self, horizon_s: int) -> Array:
        values: Array = self.adverse_bps[:, HORIZONS_S.index(horizon_s)]
        return values

    def quoted(self, half_spread_bps: float) -> "Quoted":
        """What these orders would have done to a quote so far from the mid, on the next price step outwards."""
        out = np.where(self.buy, 1.0, -1.0)
        wanted = self.mid_px * (1 + out * half_spread_bps / BPS) / self.tick_px
        quote_px = np.where(self.buy, np.ceil(wanted - _SLACK), np.floor(wanted + _SLACK)) * self.tick_px
        passed = out * (self.px - quote_px) / self.tick_px
        return Quoted(out * BPS * (quote_px - self.mid_px) / self.mid_px, passed > -0.5, passed > 0.5)


class Quoted(NamedTuple):
    """Per order: what a fill would capture, was the quote reached (filled if first in its queue), and was it
    passed (filled wherever it stood)."""

    capture_bps: Array
    front: Array
    through: Array


class Dropped(NamedTuple):
    """Market orders without a label: no fresh tick before them, or a print inside the touch."""

    stale: int
    inside: int


def read_ticks(store: Store, coin: str) -> Ticks:
    found = store.arrays(f"SELECT timestamp_ms, bid, ask FROM {store.of('ticks', coin)}")
    return Ticks(found["timestamp_ms"], found["bid"], found["ask"])


def read_orders(store: Store, coin: str, ticks: Ticks) -> tuple[Orders, Dropped]:
    """All market orders of a coin that can be labelled."""
    found = store.arrays(f"""
        SELECT timestamp_ms, side = 'B' AS buy, sum(px * sz) AS ntl,
               CASE WHEN side = 'B' THEN max(px) ELSE min(px) END AS px
        FROM {store.of("trades", coin)} GROUP BY timestamp_ms, side ORDER BY timestamp_ms, side
    """)
    return labelled(ticks, found["timestamp_ms"], found["buy"].astype(bool), found["px"], found["ntl"])


def labelled(ticks: Ticks, time_ms: Array, buy: Array, px: Array, ntl: Array) -> tuple[Orders, Dropped]:
    index, fresh = standing(ticks.time_ms, time_ms, earlier=True)
    bid, ask = ticks.bid[index], ticks.ask[index]
    inside = np.where(buy, px < ask, px > bid)
    good = fresh & ~inside
    index, time_ms, buy, px, bid, ask = (values[good] for values in (index, time_ms, buy, px, bid, ask))
    mids = ticks.mid
    mid = mids[index]
    in_bps = np.where(buy, BPS, -BPS) / mid
    adverse = np.full((len(time_ms), len(HORIZONS_S)), np.nan)
    for column, horizon_s in enumerate(HORIZONS_S):
        after, known = standing(ticks.time_ms, time_ms + horizon_s * 1000)
        known &= time_ms + horizon_s * 1000 <= ticks.time_ms[-1]
        adverse[known, column] = (in_bps * (mids[after] - mid))[known]
    orders = Orders(
        time_ms=time_ms,
        buy=buy,
        ntl_usd=ntl[good],
        px=px,
        mid_px=mid,
        tick_px=tick_sizes(ticks, px),
        reach_bps=in_bps * (px - mid),
        beyond_bps=in_bps * (px - np.where(buy, ask, bid)),
        adverse_bps=adverse,
    )
    return orders, Dropped(int((~fresh).sum()), int((fresh & inside).sum()))


def standing(times: Array, at: Array, earlier: bool = False) -> tuple[Array, Array]:
    """Index of the row that stands at each time (or strictly before it), and whether it is fresh."""
    index = np.searchsorted(times, at, side="left" if earlier else "right") - 1
    fresh = (index >= 0) & (at - times[np.maximum(index, 0)] <= FRESH_MS)
    return np.maximum(index, 0), fresh


def tick_sizes(ticks: Ticks, px: Array) -> Array:
    """The price step at each price: the smallest distance of two touch prices of its decade, as the venue's step
    changes with the number of digits; of all where none stood in it. A short recording may show it too coarse:
    quotes are then harder to fill."""
    prices = np.unique(np.concatenate([ticks.bid, ticks.ask]))
    steps, decades = np.diff(prices), np.floor(np.log10(prices[1:]))
    real, wanted = steps > 10.0 ** (decades - _DIGITS), np.floor(np.log10(px))
    found = np.zeros(len(px))
    for decade in np.unique(wanted):
        near = real & (decades == decade) if (decades[real] == decade).any() else real
        found[wanted == decade] = round(float(steps[near].min()), int(_DIGITS - decade))
    return found


def queue_ahead_usd(store: Store, coin: str, orders: Orders) -> Array:
    """What was displayed before each order up to its deepest price: so much had to trade before whoever stood last
    there. NaN without a fresh depth row, or where the displayed levels end before that price."""
    ahead = np.full(len(orders.time_ms), np.nan)
    days = orders.time_ms // DAY_MS
    for day in np.unique(days):  # depth is the largest family: a day of a coin at a time
        chosen = np.flatnonzero(days == day)
        begin_ms = int(day) * DAY_MS
        depth = store.arrays(
            f"SELECT * EXCLUDE (coin) FROM {store.of('depth', coin)} WHERE timestamp_ms >= ? AND timestamp_ms < ?",
            [begin_ms - FRESH_MS, begin_ms + DAY_MS],
        )
        if len(depth["timestamp_ms"]):
            ahead[chosen] = _displayed(depth, orders.time_ms[chosen], orders.buy[chosen], orders.px[chosen])
    return ahead


def _displayed(depth: dict[str, Array], time_ms: Array, buy: Array, px: Array) -> Array:
    index, fresh = standing(depth["timestamp_ms"], time_ms, earlier=True)
    total, shown = np.zeros(len(px)), np.zeros(len(px), bool)
    for level in range(1, DEPTH_LEVELS + 1):
        level_px, level_sz = (
            np.where(buy, depth[f"ask_{field}_{level}"][index], depth[f"bid_{field}_{level}"][index])
            for field in ("px", "sz")
        )
        reached = np.where(buy, level_px <= px, level_px >= px)
        total += np.where(reached, level_px * level_sz, 0.0)
        shown |= np.where(buy, level_px >= px, level_px <= px)
    return np.where(fresh & shown, total, np.nan)
