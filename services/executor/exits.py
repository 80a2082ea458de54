"""Leaving positions on the operator's word: which coins, how, and what is wanted next.

A coin that is being flattened has one order at a time: what rested before is cancelled first, the next order
follows when the fate of the last one is known and a newer book has come. So nothing of ours stands in its way, and
what may still fill never adds up to more than the position.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, TypeVar

from services.executor.approve import slippage_px, within
from services.executor.desk import Desk
from services.executor.orders import LiveOrder
from shared.messages import ZERO, Book, CoinMeta, Command, ExitWay, QuoteLevel, Reason
from shared.units import BPS, ORDER_CAP_FRAC, Side, exact, floor_sz

T = TypeVar("T")
EXIT_LEVEL = 1


@dataclass(frozen=True, slots=True)
class Exits:
    """What is in force, by coin; "" stands for all that are not named."""

    reduce_only: Mapping[str, str] = field(default_factory=dict)
    """Why only orders towards flat are allowed."""
    flattening: Mapping[str, ExitWay] = field(default_factory=dict)

    def after(self, command: Command) -> "Exits":
        """The newest word on a coin counts, and `resume` takes all of them back."""
        if command.action == "resume":
            return Exits()
        if command.action not in ("reduce_only", "flatten"):
            return self
        way: ExitWay = "off"
        if command.action == "flatten":
            way = "taker" if command.now else "maker"
        return Exits(
            _said(self.reduce_only, command.coins, command.reason), _said(self.flattening, command.coins, way)
        )

    def reduces(self, coin: str) -> bool:
        """Are only orders towards flat allowed?"""
        return coin in self.reduce_only or "" in self.reduce_only

    def way(self, coin: str) -> ExitWay:
        return self.flattening.get(coin) or self.flattening.get("", "off")


def _said(before: Mapping[str, T], coins: Sequence[str], word: T) -> dict[str, T]:
    return {**before, **dict.fromkeys(coins, word)} if coins else {"": word}


@dataclass(frozen=True, slots=True)
class Slice:
    """One order towards flat."""

    side: Side
    px: Decimal
    sz: Decimal
    tif: Literal["Alo", "Ioc"]


@dataclass(frozen=True, slots=True)
class ExitPlan:
    """What to do now, and why not more."""

    cancels: tuple[LiveOrder, ...] = ()
    place: Slice | None = None
    reason: Reason = Reason.FLATTENING


def plan_exit(desk: Desk, way: ExitWay, max_bps: float, slippage_bps: float) -> ExitPlan:
    """The next step to flat, on a book that may be traded on. An order stays while it is near its touch."""
    book, meta = desk.book, desk.meta
    assert book is not None and meta is not None
    position_sz = desk.ledger.position_sz
    wanted = None
    if position_sz:
        make = resting_slice if way == "maker" else taking_slice
        wanted = make(book, meta, position_sz, ORDER_CAP_FRAC * exact(desk.max_inv_usd), slippage_bps)
    staying = [order for order in desk.orders.values() if not order.leaving and order.new.tif == "Alo"]
    kept = next(
        (order for order in staying if wanted and _serves(order, wanted, position_sz, book, max_bps)), None
    )
    cancels = tuple(order for order in staying if order is not kept)
    if wanted is None:
        return ExitPlan(cancels, None, Reason.REDUCE_ONLY)
    if any(order.state == "unknown" for order in desk.orders.values()):
        return ExitPlan(cancels, None, Reason.UNKNOWN_ORDER)
    if desk.orders or book.received_ms <= desk.ended_ms:
        return ExitPlan(cancels)
    return ExitPlan(place=wanted) if wanted.sz else ExitPlan(reason=Reason.ORDER_CAP)


def _serves(order: LiveOrder, wanted: Slice, position_sz: Decimal, book: Book, max_bps: float) -> bool:
    """An order at the touch or before it stays, and one behind it by no more than `max_bps` and a quarter of the
    spread. So does one that is larger than the cap by now, because only the price has moved."""
    if wanted.tif != "Alo" or not order.new.reduce_only or order.new.side != wanted.side:
        return False
    behind_px = wanted.px - order.new.px if wanted.side == "bid" else order.new.px - wanted.px
    spread_px = book.asks[0].px - book.bids[0].px
    near = float(behind_px) <= min(max_bps * BPS * book.mid_px, float(spread_px) / 4)
    return near and order.remaining_sz <= abs(position_sz)


def resting_slice(book: Book, meta: CoinMeta, position_sz: Decimal, cap_usd: Decimal, _: float = 0.0) -> Slice:
    """At the own side's touch."""
    side: Side = "ask" if position_sz > 0 else "bid"
    px = (book.asks if side == "ask" else book.bids)[0].px
    most_sz = min(abs(position_sz), cap_usd / book.asks[0].px)
    return Slice(side, px, floor_sz(most_sz, meta.sz_decimals), "Alo")


def taking_slice(book: Book, meta: CoinMeta, position_sz: Decimal, cap_usd: Decimal, slippage_bps: float) -> Slice:
    """No more than the book shows within the slippage."""
    side: Side = "ask" if position_sz > 0 else "bid"
    touch_px = (book.bids if side == "ask" else book.asks)[0].px
    px = slippage_px(side, touch_px, slippage_bps, meta.sz_decimals)
    shown_sz = sum((level.sz for level in within(book, side, px)), ZERO)
    most_sz = min(abs(position_sz), cap_usd / max(px, touch_px), shown_sz)
    return Slice(side, px, floor_sz(most_sz, meta.sz_decimals), "Ioc")


def towards_flat(quotes: Sequence[QuoteLevel], room_sz: Decimal, sz_decimals: int) -> tuple[QuoteLevel, ...]:
    """Quotes of a side that may only reduce, cut to what is left to close; the tightest first."""
    cut = []
    for quote in sorted(quotes, key=lambda quote: quote.level):
        sz = floor_sz(min(quote.sz, room_sz), sz_decimals)
        if sz:
            cut.append(QuoteLevel(quote.level, quote.px, sz))
            room_sz -= sz
    return tuple(cut)
