"""The simulated exchange of shadow mode: our orders against real market data.

Rules, for a bid at P (asks mirrored):
 1. A print at P first uses up the queue ahead, then fills us; partial fills are real.
 2. A print below P fills us (price priority), never for more than the print itself.
 3. Without a print there is no fill: an ask that comes to rest at or below P was, in all likelihood, post-only,
    and would have been refused with our bid in the book. Nothing stands before us any more, so the next seller
    who reaches P fills us.
 4. A displayed decrease that prints do not explain is cancels (`queue_models`).
 5. Public books of the past do not contain our orders.
 6. A better price than the touch has nothing ahead; every new order starts at the back.
 7. A post-only order that would cross the newest book when it *arrives* is rejected.
 8. Orders and cancels take effect after their latency; until then a resting order may still be filled.
 9. A print counts once (by tid), never for an order that was not active when we received it, and its volume is
    shared by our orders in price-time order.
10. An order that takes (`Ioc`) fills, when it arrives, against the levels that the newest book shows within its
    price, never for more than is shown; the rest of it is cancelled. It pays the taker's fee.
11. A reduce-only order is cut to the position when it arrives.

All times of orders are on our clock (`received_ms`): latency is from our decision until the feed could show the
effect. An order whose price was never displayed has an unknown queue: only rules 2 and 3 fill it.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from services.executor.approve import MAX_BOOK_AGE_MS, Approved, within, would_cross
from services.executor.config import ExecutorConfig
from services.executor.orders import NewOrder
from services.executor.queue_models import LOT_NOISE, UNKNOWN, ProbQueue, QueueModel, V6Queue
from services.executor.reports import Accepted, Canceled, Filled, Rejected, Report
from shared.fees import maker_rate, taker_rate
from shared.messages import ZERO, Book, Depth, Reason, Trade, Trades, Universe
from shared.recent import Recent
from shared.units import Side, fee_usd, lot_size, reducible_sz

MAX_DEPTH_AGE_MS = 6_000
REMEMBERED_PRINTS = 2_048


@dataclass(slots=True, eq=False)
class _Order:
    new: NewOrder
    remaining: int
    """In lots."""
    number: int
    active_ms: float
    cancel_ms: float = math.inf
    queue: QueueModel | None = None
    """None until the order has arrived."""
    anchor_ms: int = 0
    """Venue time of the book it arrived at; older prints were before it."""
    seen_ms: int = 0
    """Venue time of the newest display of its level."""
    cut: bool = False
    """It was larger than the position."""

    def sooner(self) -> tuple[Decimal, float, int]:
        """Sort key of price-time priority on its side."""
        px = self.new.px
        return (-px if self.new.side == "bid" else px, self.active_ms, self.number)


@dataclass(slots=True)
class _Market:
    coin: str
    lot: Decimal
    maker: Decimal
    taker: Decimal
    """Fee rates."""
    book: Book | None = None
    depth: Depth | None = None
    orders: list[_Order] = field(default_factory=list)
    due_ms: float = math.inf
    """When the next order arrives or cancel takes effect."""
    prints: Recent = field(default_factory=lambda: Recent(REMEMBERED_PRINTS))
    """Trades seen, by tid."""

    def lots(self, sz: Decimal) -> float:
        return float(sz / self.lot)


class SimExchange:
    """Pure: the same inputs at the same times give the same reports."""

    def __init__(self, config: ExecutorConfig, position_of: Callable[[str], Decimal] = lambda coin: ZERO) -> None:
        """`position_of` a coin is what the account holds; reduce-only orders close no more."""
        self._config, self._position_of = config, position_of
        self._markets: dict[str, _Market] = {}
        self._market_of: dict[str, _Market] = {}
        self._placed = 0

    # ---- our side ----

    def place(self, now_ms: int, approved: Approved) -> None:
        new = approved.order
        market = self._markets[new.coin]
        self._placed += 1
        arrives_ms = now_ms + self._config.sim_place_latency_ms
        market.orders.append(_Order(new, int(new.sz / market.lot), self._placed, arrives_ms))
        market.due_ms = min(market.due_ms, arrives_ms)
        self._market_of[new.cloid] = market

    def cancel(self, now_ms: int, cloid: str, *, urgent: bool = True) -> None:
        market = self._market_of.get(cloid)
        if market is None:
            return  # over already; its last report is on the way or was given
        for order in market.orders:
            if order.new.cloid == cloid and math.isinf(order.cancel_ms):
                order.cancel_ms = max(now_ms + self._config.sim_cancel_latency_ms, order.active_ms)
                market.due_ms = min(market.due_ms, order.cancel_ms)

    def close(self, now_ms: int) -> Iterable[Report]:
        """Simulated orders live in this process and end with it."""
        return [
            self._end(market, order, Canceled(order.new.cloid))
            for market in self._markets.values()
            for order in list(market.orders)
        ]

    # ---- the market ----

    def step(self, now_ms: int, msg: Any) -> Iterable[Report]:
        if isinstance(msg, Universe):
            for meta in msg.coins:
                if meta.coin not in self._markets:
                    tier, coin = self._config.fee_tier, meta.coin
                    maker, taker = maker_rate(tier, coin), taker_rate(tier, coin)
                    self._markets[coin] = _Market(coin, lot_size(meta.sz_decimals), maker, taker)
            return ()
        if isinstance(msg, (Book, Depth, Trades)):
            market = self._markets.get(msg.coin)
            if market is None:
                return ()
            reports = self._advance(market, min(now_ms, msg.received_ms))
            if isinstance(msg, Book):
                self._take_book(market, msg)
            elif isinstance(msg, Trades):
                reports += self._take_trades(market, msg)
            else:
                self._take_depth(market, msg)
            return reports + self._advance(market, now_ms)
        return [report for market in self._markets.values() for report in self._advance(market, now_ms)]

    def _advance(self, market: _Market, now_ms: float) -> list[Report]:
        """Let arrivals and cancels that are due take effect, in order of time."""
        if now_ms < market.due_ms:
            return []
        due = (
            sorted(
                (at_ms, order.number, not arrives, order)
                for order in market.orders
                for at_ms, arrives in ((order.active_ms, True), (order.cancel_ms, False))
                if at_ms <= now_ms and (order.queue is None or not arrives)
            )
            if market.orders
            else []
        )
        reports: list[Report] = []
        for at_ms, _, leaves, order in due:
            if order.new.cloid not in self._market_of:
                continue  # over since it arrived
            if leaves:
                reports.append(self._end(market, order, Canceled(order.new.cloid)))
            else:
                reports += self._arrive(market, order, at_ms)
        market.due_ms = min(
            (order.active_ms if order.queue is None else order.cancel_ms for order in market.orders),
            default=math.inf,
        )
        return reports

    def _end(self, market: _Market, order: _Order, report: Report) -> Report:
        market.orders.remove(order)
        del self._market_of[order.new.cloid]
        return report

    def _arrive(self, market: _Market, order: _Order, at_ms: float) -> list[Report]:
        new, book = order.new, market.book
        reason = self._cut(market, order) or (would_cross(new.side, new.px, book) if new.tif == "Alo" else None)
        if reason is not None or book is None:
            return [self._end(market, order, Rejected(new.cloid, reason or Reason.NO_BOOK))]
        if new.tif == "Ioc":
            return self._sweep(market, order, book, at_ms)
        order.anchor_ms = order.seen_ms = book.time_ms
        if self._config.queue_model == "v6":
            order.queue = V6Queue(float(order.remaining))
        else:
            front = self._ahead_at(market, new, book, at_ms)
            order.queue = ProbQueue(
                self._config.sim_cancel_model, self._config.sim_cancel_power, front=front, level=front
            )
        return [Accepted(new.cloid)]

    def _cut(self, market: _Market, order: _Order) -> Reason | None:
        if not order.new.reduce_only:
            return None
        closable = int(market.lots(reducible_sz(order.new.side, self._position_of(market.coin))))
        order.cut = closable < order.remaining
        order.remaining = min(order.remaining, closable)
        return None if closable else Reason.REDUCE_ONLY

    def _sweep(self, market: _Market, order: _Order, book: Book, at_ms: float) -> list[Report]:
        """A fill for each level. It trades in a block after the one that the book shows."""
        new = order.new
        if at_ms - book.received_ms > MAX_BOOK_AGE_MS:
            return [self._end(market, order, Rejected(new.cloid, Reason.STALE_BOOK))]
        reports: list[Report] = []
        time_ms = book.time_ms + 1 + int(at_ms - book.received_ms)
        for number, level in enumerate(within(book, new.side, new.px)):
            lots = min(order.remaining, int(market.lots(level.sz) + LOT_NOISE))
            if lots:
                fill_id = f"{new.cloid}-{number}"
                reports += self._fill(market, order, lots, level.px, market.taker, fill_id, time_ms)
        if not reports:
            return [self._end(market, order, Rejected(new.cloid, Reason.NO_MATCH))]
        if new.cloid in self._market_of:
            reports.append(self._end(market, order, Canceled(new.cloid)))
        return [Accepted(new.cloid), *reports]

    def _ahead_at(self, market: _Market, new: NewOrder, book: Book, at_ms: float) -> float:
        """Lots displayed at the order's price: in the fast book, else in the slow one, else unknown."""
        views: list[tuple[Book | Depth | None, int]] = [(book, MAX_BOOK_AGE_MS), (market.depth, MAX_DEPTH_AGE_MS)]
        for view, max_age_ms in views:
            if view is not None and view.epoch == book.epoch and at_ms - view.received_ms <= max_age_ms:
                sz = displayed_sz(view, new.px, new.side)
                if sz is not None:
                    return market.lots(sz)
        return UNKNOWN

    def _take_book(self, market: _Market, book: Book) -> None:
        if not book.bids or not book.asks or book.bids[0].px >= book.asks[0].px:
            return
        if market.book is not None and book.epoch != market.book.epoch:
            market.depth = None
            for order in market.orders:
                if order.queue is not None:
                    order.queue.forget()
        market.book = book
        for order in market.orders:
            if order.queue is not None and book.time_ms > order.anchor_ms:
                self._show(market, order, order.queue, book)

    def _take_depth(self, market: _Market, depth: Depth) -> None:
        book = market.book
        if book is None or depth.epoch != book.epoch:
            return
        market.depth = depth
        for order in market.orders:
            if order.queue is not None and depth.time_ms > order.anchor_ms:
                self._show(market, order, order.queue, depth)

    @staticmethod
    def _show(market: _Market, order: _Order, queue: QueueModel, view: Book | Depth) -> None:
        """Rule 4 for the level of one order, where the view reaches that far and is not an older one."""
        if view.time_ms < order.seen_ms:
            return
        sz = displayed_sz(view, order.new.px, order.new.side)
        if sz is not None:
            queue.displayed(market.lots(sz))
            order.seen_ms = view.time_ms

    def _take_trades(self, market: _Market, trades: Trades) -> list[Report]:
        reports: list[Report] = []
        for trade in trades.trades:
            if market.prints.add(trade.tid) and market.orders:
                reports += self._match(market, trade, trades.received_ms)
        return reports

    def _match(self, market: _Market, trade: Trade, received_ms: float) -> list[Report]:
        side: Side = "bid" if trade.side == "A" else "ask"
        reached = [
            order
            for order in market.orders
            if order.new.side == side
            and (order.new.px >= trade.px if side == "bid" else order.new.px <= trade.px)
            and order.queue is not None
            and order.active_ms <= received_ms
            and order.anchor_ms < trade.time_ms
        ]
        reports: list[Report] = []
        left = qty = market.lots(trade.sz) if reached else 0.0
        for order in sorted(reached, key=_Order.sooner):
            assert order.queue is not None
            through, late = order.new.px != trade.px, trade.time_ms <= order.seen_ms
            lots, used = order.queue.hit(qty, left, order.remaining, through, late)
            left -= used
            if lots:
                new, fill_id = order.new, f"{order.new.cloid}-{trade.tid}"
                reports += self._fill(market, order, lots, new.px, market.maker, fill_id, trade.time_ms)
        return reports

    def _fill(
        self, market: _Market, order: _Order, lots: int, px: Decimal, rate: Decimal, fill_id: str, time_ms: int
    ) -> list[Report]:
        cloid, sz = order.new.cloid, lots * market.lot
        order.remaining -= lots
        filled = Filled(cloid, fill_id, px, sz, fee_usd(px * sz, rate), time_ms)
        if order.remaining:
            return [filled]
        self._end(market, order, filled)
        return [filled, Canceled(cloid, "reduce_only")] if order.cut else [filled]


def displayed_sz(view: Book | Depth, px: Decimal, side: Side) -> Decimal | None:
    """Quantity shown at `px`: 0 where the view shows that nothing stands, None where it does not say.

    In front of the touch and between levels nothing stands; beyond the deepest level the view ends. In a `Book`
    the touch may be newer than the levels behind it, so the gap between the first two says nothing either.
    """
    levels = view.bids if side == "bid" else view.asks
    for place, level in enumerate(levels):
        if level.px == px:
            return level.sz
        if (level.px < px) == (side == "bid"):
            return None if place == 1 and isinstance(view, Book) else ZERO
    return None
