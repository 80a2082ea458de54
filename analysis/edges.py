"""What quotes at every half spread would have met, added up by windows of time: all that the gates need of a coin.

A quote at half spread δ is filled by the market orders that pass its price (`through`: whoever stood there in the
queue was filled), or already by those that reach it (`front`: only if it was first). A fill earns the distance of
the quote from the mid before, less the move of the mid against it over the horizon, less the fee:

    edge(δ) = capture(δ) − AS(δ) − fee                                                       bps of the notional

Left out: funding, our own latency, and that our order may change what others do.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from analysis.orders import (
    BPS,
    HEADLINE_S,
    HORIZONS_S,
    Array,
    Dropped,
    Orders,
    queue_ahead_usd,
    read_orders,
    read_ticks,
)
from analysis.store import FRESH_MS, Store
from shared.fees import maker_rate

GRID_BPS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0, 25.0)
"""Half spreads that are tried; the settings allow 1 to 25."""
BEYOND_BPS = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Market orders are told apart by how far beyond the touch they went: not at all, up to 1, …, over 8."""
MAX_WINDOWS = 720
"""About so many, holes not counted."""
MIN_WINDOW_MS = 60_000
_TOUCH_BPS = 1e-4
_ROUNDING = 1e-9
"""Sums of the same numbers in another order differ by less."""


class Fills(NamedTuple):
    """By window and half spread of `GRID_BPS`: fills, those whose fate at the headline horizon is known, and of
    them capture and adverse selection, added up (bps)."""

    fills: Array
    known: Array
    capture: Array
    adverse: Array


class Queues(NamedTuple):
    """Medians by class of `BEYOND_BPS`, NaN without an order: displayed up to the deepest price (0 to 5 levels),
    the order's own value, and how many of the orders were at least as large as what was displayed."""

    known: Array
    ahead_usd: Array
    order_usd: Array
    cleared_frac: Array


class CoinEdges(NamedTuple):
    """One coin. Arrays have a row for each window of `window_s` that has data; sums, so windows may be added."""

    coin: str
    fee_bps: float
    dropped: Dropped
    orders: int
    tick_bps: float
    """The price step at the median price."""
    window_s: float
    seconds: Array
    """Of data."""
    spread: Array
    """Touch to touch, bps · s."""
    known: Array
    """Orders with a label, by horizon of `HORIZONS_S`."""
    adverse: Array
    """Their adverse selection (bps), by horizon."""
    class_known: Array
    """By class of `BEYOND_BPS`, at the headline horizon."""
    class_adverse: Array
    side_orders: Array
    """Orders that sold into bids, and that bought from asks."""
    side_beyond: Array
    """Their reach beyond the touch (bps), by side."""
    reaches: tuple[Array, Array]
    """The same order by order."""
    front: Fills
    through: Fills
    queues: "Queues | None"
    """None unless asked for."""

    @property
    def hours(self) -> float:
        return float(self.seconds.sum() / 3600)


def measure(store: Store, coin: str, fee_tier: int = 0, depth: bool = False) -> CoinEdges:
    """Everything about one coin; with `depth` the queues too, which takes longest."""
    ticks = read_ticks(store, coin)
    orders, dropped = read_orders(store, coin, ticks)
    standing_ms = ticks.standing_ms()
    begin_ms = int(ticks.time_ms[0])
    span_ms = int(ticks.time_ms[-1]) - begin_ms + FRESH_MS  # orders still have a touch when no tick follows
    with_data_ms = int(standing_ms.sum())
    window_ms = max(MIN_WINDOW_MS, -(-with_data_ms // MAX_WINDOWS // MIN_WINDOW_MS) * MIN_WINDOW_MS)
    windows = _Windows(begin_ms, window_ms, span_ms // window_ms + 1)
    seconds = windows.sums(ticks.time_ms, standing_ms / 1000)
    seen = (seconds > 0) | (windows.sums(orders.time_ms, np.ones(len(orders.time_ms))) > 0)
    known = ~np.isnan(orders.adverse_bps)
    adverse = np.where(known, orders.adverse_bps, 0.0)
    column = HORIZONS_S.index(HEADLINE_S)
    number = np.searchsorted(BEYOND_BPS, orders.beyond_bps - _TOUCH_BPS)
    classes = np.eye(len(BEYOND_BPS) + 1)[number]
    sides = np.stack([~orders.buy, orders.buy], axis=1).astype(float)

    def per_order(values: Array) -> Array:
        return windows.sums(orders.time_ms, values)[seen]

    return CoinEdges(
        coin=coin,
        fee_bps=float(maker_rate(fee_tier, coin) * 10_000),
        dropped=dropped,
        orders=len(orders.time_ms),
        tick_bps=float(np.median(BPS * orders.tick_px / orders.mid_px)) if len(orders.px) else 0.0,
        window_s=window_ms / 1000,
        seconds=seconds[seen],
        spread=windows.sums(ticks.time_ms, ticks.spread_bps * standing_ms / 1000)[seen],
        known=per_order(known.astype(float)),
        adverse=per_order(adverse),
        class_known=per_order(classes * known[:, [column]]),
        class_adverse=per_order(classes * adverse[:, [column]]),
        side_orders=per_order(sides),
        side_beyond=per_order(sides * orders.beyond_bps[:, None]),
        reaches=(_compact(orders.beyond_bps[~orders.buy]), _compact(orders.beyond_bps[orders.buy])),
        front=_fills(orders, per_order, "front"),
        through=_fills(orders, per_order, "through"),
        queues=_queues(orders, number, queue_ahead_usd(store, coin, orders)) if depth else None,
    )


def _compact(values: Array) -> Array:
    return np.maximum(values, 0.0).astype(np.float32)


class _Windows(NamedTuple):
    begin_ms: int
    length_ms: int
    how_many: int

    def sums(self, time_ms: Array, values: Array) -> Array:
        """Values (a row each) added up by window."""
        index = (time_ms - self.begin_ms) // self.length_ms
        columns = values if values.ndim == 2 else values[:, None]
        added = [np.bincount(index, column, minlength=self.how_many) for column in columns.T]
        return np.stack(added, axis=1) if values.ndim == 2 else added[0]


def _fills(orders: Orders, per_order: Callable[[Array], Array], variant: Literal["front", "through"]) -> Fills:
    adverse = orders.adverse_at(HEADLINE_S)
    known = ~np.isnan(adverse)
    columns = []
    for half_spread_bps in GRID_BPS:
        quoted = orders.quoted(half_spread_bps)
        filled: Array = getattr(quoted, variant)
        use = filled & known
        values = (filled, use, np.where(use, quoted.capture_bps, 0.0), np.where(use, adverse, 0.0))
        columns.append(per_order(np.stack(values, axis=1).astype(float)))
    return Fills(*np.stack(columns, axis=1).transpose(2, 0, 1))


def _queues(orders: Orders, number: Array, ahead_usd: Array) -> Queues:
    rows = []
    for one in range(len(BEYOND_BPS) + 1):
        here = (number == one) & ~np.isnan(ahead_usd)
        ahead, ntl = ahead_usd[here], orders.ntl_usd[here]
        cleared = ntl >= ahead * (1 - _ROUNDING)
        medians = (np.median(ahead), np.median(ntl), np.mean(cleared)) if len(ntl) else (np.nan,) * 3
        rows.append((len(ntl), *medians))
    return Queues(*np.array(rows).T)
