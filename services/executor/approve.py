"""The one gate between a wish and an order.

`approve` and `approve_exit` are the only makers of `Approved`, and an exchange takes nothing else. Both refuse an
order without a live lease, against a book that is missing, stale, crossed or from before a reconnect, off the
venue's grid, too small for the venue or above a quarter of the coin's position limit. `approve` lets pass what the
guard permits and what cannot cross the touch; `approve_exit`, for positions that the operator wants worked off,
what certainly reduces and pays no more than a bounded slippage.
"""

from dataclasses import InitVar, dataclass
from decimal import Decimal

from services.executor.orders import NewOrder
from shared import book_check
from shared.errors import InvariantError
from shared.messages import Book, CoinMeta, Level, Reason, RiskLease
from shared.units import (
    MIN_NOTIONAL_USD,
    ORDER_CAP_FRAC,
    Side,
    exact,
    is_valid_px,
    lot_size,
    reducible_sz,
    round_px,
)

MAX_BOOK_AGE_MS = 5_000
_SEAL = object()


@dataclass(frozen=True, slots=True)
class Approved:
    """An order that passed `approve` or `approve_exit`; it cannot be made anywhere else."""

    order: NewOrder
    seal: InitVar[object]

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise InvariantError("an order was to be sent without approval")


@dataclass(frozen=True, slots=True)
class Refused:
    """An order that must not be sent, and why."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything that decides whether an order of a coin may be sent now."""

    meta: CoinMeta | None
    book: Book | None
    newest_epoch: int
    """Connection that the feed runs on now."""
    lease: RiskLease | None
    halted: bool
    position_sz: Decimal
    resting_sz: Decimal
    """What is already on its way or resting on the order's side."""
    max_inv_usd: float
    facing_sz: Decimal = Decimal(0)
    """The same on the other side."""
    slippage_bps: float = 0.0
    """How far through the touch an exit may take."""


def book_fault(now_ms: float, book: Book | None, newest_epoch: int) -> Reason | None:
    """Why no order may be sent or rest against a book; None when it may."""
    return book_check.book_fault(now_ms, book, newest_epoch, MAX_BOOK_AGE_MS)


def guard_silent(now_ms: float, lease: RiskLease | None) -> Reason | None:
    """Why nothing at all may rest, not even to leave a position; None while the guard speaks."""
    if lease is None:
        return Reason.NO_LEASE
    return None if lease.holds(now_ms) else Reason.LEASE_EXPIRED


def lease_fault(now_ms: float, lease: RiskLease | None, side: Side) -> Reason | None:
    """Why nothing may rest on a side, not even to reduce; None when something may."""
    silent = guard_silent(now_ms, lease)
    if silent or lease is None:
        return silent
    permit = lease.bid if side == "bid" else lease.ask
    return (permit.reason or Reason.NO_LEASE) if permit.allow == "none" else None


def approve(now_ms: float, order: NewOrder, around: Surroundings) -> Approved | Refused:
    """`Approved` if nothing speaks against sending `order` now, else the first reason that does."""
    reason = (
        _not_allowed(now_ms, order, around)
        or book_fault(now_ms, around.book, around.newest_epoch)
        or _off_grid(order, around.meta)
        or _beyond_position(order, around)
        or _wrong_amount(order, around)
        or would_cross(order.side, order.px, around.book)
    )
    return Refused(reason) if reason else Approved(order, _SEAL)


def approve_exit(now_ms: float, order: NewOrder, around: Surroundings) -> Approved | Refused:
    """`approve` for an order that works a position off on the operator's word: a halt and the guard's permits do
    not stand against it, but silence of the guard does."""
    reason = (
        guard_silent(now_ms, around.lease)
        or (None if around.lease and around.lease.coin == order.coin else Reason.NO_LEASE)
        or book_fault(now_ms, around.book, around.newest_epoch)
        or _off_grid(order, around.meta)
        or _not_leaving(order, around)
        or _wrong_exit(order, around)
    )
    return Refused(reason) if reason else Approved(order, _SEAL)


def _not_leaving(order: NewOrder, around: Surroundings) -> Reason | None:
    """Beyond flat, alone or together with what may still fill; or against orders of our own."""
    free_sz = reducible_sz(order.side, around.position_sz) - around.resting_sz
    if not order.reduce_only or order.sz > free_sz:
        return Reason.REDUCE_ONLY
    takes = order.tif == "Ioc"
    return Reason.WOULD_CROSS if takes and (around.facing_sz or around.resting_sz) else None


def _wrong_exit(order: NewOrder, around: Surroundings) -> Reason | None:
    """The venue's minimum does not hold for an order that closes the whole position (reference page §6.5). What
    fills at a better price than its own counts at the better one."""
    book, meta = around.book, around.meta
    if book is None or meta is None:
        return Reason.NO_BOOK
    touch_px = (book.asks if order.side == "bid" else book.bids)[0].px
    if order.px * order.sz < MIN_NOTIONAL_USD and order.sz < abs(around.position_sz):
        return Reason.BELOW_MIN_NOTIONAL
    if max(order.px, touch_px) * order.sz > ORDER_CAP_FRAC * exact(around.max_inv_usd):
        return Reason.ORDER_CAP
    if order.tif == "Alo":
        return would_cross(order.side, order.px, book)
    limit_px = slippage_px(order.side, touch_px, around.slippage_bps, meta.sz_decimals)
    beyond = order.px > limit_px if order.side == "bid" else order.px < limit_px
    return Reason.INVALID_PX if beyond else None


def slippage_px(side: Side, touch_px: Decimal, slippage_bps: float, sz_decimals: int) -> Decimal:
    """The worst price for an order that takes: so far through the other side's touch, on the grid."""
    through = exact(slippage_bps) / 10_000
    return round_px(touch_px * (1 + through if side == "bid" else 1 - through), sz_decimals, side)


def within(book: Book, side: Side, limit_px: Decimal) -> tuple[Level, ...]:
    """The levels that an order of a side may take up to its price, best first."""
    if side == "bid":
        return tuple(level for level in book.asks if level.px <= limit_px)
    return tuple(level for level in book.bids if level.px >= limit_px)


def _not_allowed(now_ms: float, order: NewOrder, around: Surroundings) -> Reason | None:
    if around.halted:
        return Reason.HALTED
    if order.tif != "Alo":
        return Reason.WOULD_CROSS
    lease = around.lease
    fault = lease_fault(now_ms, lease, order.side)
    if fault or lease is None:
        return fault
    return None if lease.coin == order.coin else Reason.NO_LEASE


def _beyond_position(order: NewOrder, around: Surroundings) -> Reason | None:
    """Where only reducing is allowed: no more than the position less what already rests to reduce it."""
    if around.lease is None:
        return Reason.NO_LEASE
    permit = around.lease.bid if order.side == "bid" else around.lease.ask
    if permit.allow == "quote":
        return None
    free_sz = reducible_sz(order.side, around.position_sz) - around.resting_sz
    return None if order.sz <= free_sz else permit.reason or Reason.REDUCE_ONLY


def _off_grid(order: NewOrder, meta: CoinMeta | None) -> Reason | None:
    if meta is None or meta.coin != order.coin:
        return Reason.NO_UNIVERSE
    if not order.px.is_finite() or not is_valid_px(order.px, meta.sz_decimals):
        return Reason.INVALID_PX
    if not order.sz.is_finite() or order.sz <= 0 or order.sz % lot_size(meta.sz_decimals) != 0:
        return Reason.INVALID_SZ
    return None


def _wrong_amount(order: NewOrder, around: Surroundings) -> Reason | None:
    ntl_usd = order.px * order.sz
    if ntl_usd < MIN_NOTIONAL_USD:
        return Reason.BELOW_MIN_NOTIONAL
    if ntl_usd > ORDER_CAP_FRAC * exact(around.max_inv_usd):
        return Reason.ORDER_CAP
    return None


def would_cross(side: Side, px: Decimal, book: Book | None) -> Reason | None:
    """A post-only order at or through the opposite touch would be refused by the venue."""
    if book is None:
        return Reason.NO_BOOK
    crosses = px >= book.asks[0].px if side == "bid" else px <= book.bids[0].px
    return Reason.WOULD_CROSS if crosses else None
