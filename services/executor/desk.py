"""Everything the executor knows of one coin."""

from collections import deque
from decimal import Decimal
from math import inf

import msgspec

from services.executor.approve import Surroundings, book_fault, guard_silent, lease_fault
from services.executor.ledger import Ledger
from services.executor.orders import LiveOrder, NewOrder
from services.executor.reconcile import FillChain
from services.executor.refusals import Pauses, Repricing
from shared.errors import InvariantError
from shared.messages import (
    ZERO,
    AssetConfig,
    AssetCtx,
    Book,
    CoinMeta,
    CoinStatus,
    OrderUpdate,
    QuoteLevel,
    Reason,
    RiskLease,
    SidePermit,
    TargetQuotes,
)
from shared.units import Side, exact, reducible_sz

SIDES: tuple[Side, Side] = ("bid", "ask")
ASTRAY_TARGETS, ASTRAY_MS = 8, 10_000
"""So many targets in a row, for so long, may lean against a position that is not ours: fills are on their way."""
_REMEMBERED_MIDS = 64
_MOST_REPRICINGS = 2


class Desk:
    """One coin: newest inputs, live orders, ledger, and why a side shows nothing."""

    def __init__(self, coin: str) -> None:
        self.coin = coin
        self.meta: CoinMeta | None = None
        self.book: Book | None = None
        self.granted: RiskLease | None = None
        """The guard's newest lease."""
        self.restriction: Reason | None = None
        """Why we ourselves allow only orders towards flat."""
        self.max_inv_usd = AssetConfig(coin=coin).max_inv_usd
        """As the newest target had it, or less where newer settings allow less."""
        self.target: TargetQuotes | None = None
        self.ctx: AssetCtx | None = None
        self.orders: dict[str, LiveOrder] = {}
        self.ledger = Ledger(coin)
        self.chain = FillChain()
        self.unproven = ""
        """Difference between ledger and fills; while there is one, nothing is quoted."""
        self.repricing = Repricing(_MOST_REPRICINGS)
        self.pauses = Pauses()
        self.outdated = False
        """The target was computed before the last fill: it may keep orders, but not place new ones. Otherwise a
        silent quoter would let the same level fill again and again, past every position limit."""
        self.unfinished = False
        """Something wanted is not there yet: look again at the next chance."""
        self.refused: dict[Side, Reason | None] = {"bid": None, "ask": None}
        """Why a side shows nothing, or less than wanted."""
        self.served: Side = "ask"
        """The side that placed last."""
        self.placed = self.canceled = self.rejected = 0
        self.ended_ms = 0
        """When the last order was over."""
        self._filled_ms = 0
        self._astray: tuple[int, int] | None = None
        """Since when, and how many targets, leaned against another position."""
        self._settings_max_inv_usd = inf
        self._mids: deque[tuple[int, Decimal]] = deque(maxlen=_REMEMBERED_MIDS)

    @property
    def lease(self) -> RiskLease | None:
        """What the guard grants, less what we do not allow ourselves."""
        lease, reason = self.granted, self.restriction
        if lease is None or reason is None:
            return lease
        return msgspec.structs.replace(lease, bid=_reducing(lease.bid, reason), ask=_reducing(lease.ask, reason))

    # ---- inputs ----

    def take_target(self, target: TargetQuotes) -> None:
        self.target = target
        self.max_inv_usd = min(target.max_inv_usd, self._settings_max_inv_usd)
        self.repricing.new_target()
        if target.computed_ms >= self._filled_ms:
            self.outdated = False

    def take_limit(self, max_inv_usd: float) -> None:
        """Settings that allow less hold at once; until the quoter follows, its targets may be too large."""
        self._settings_max_inv_usd = max_inv_usd
        self.max_inv_usd = min(self.max_inv_usd, max_inv_usd)

    def note_fill(self, now_ms: int) -> None:
        self._filled_ms, self.outdated = now_ms, True

    def take_book(self, book: Book) -> None:
        self.book = book
        if not book.bids or not book.asks:
            return
        mid_px = (book.bids[0].px + book.asks[0].px) / 2
        if self._mids and self._mids[-1][0] == book.time_ms:
            self._mids.pop()
        self._mids.append((book.time_ms, mid_px))
        self.ledger.mark(mid_px)

    def mid_before(self, time_ms: int) -> Decimal:
        """The mid of the last book strictly before `time_ms`.

        A book carries the state after its block; the mid after the sweep that filled us would hide the loss.
        """
        for at_ms, mid_px in reversed(self._mids):
            if at_ms < time_ms:
                return mid_px
        return self._mids[0][1] if self._mids else self.ledger.mark_px

    @property
    def newest_mid(self) -> Decimal:
        return self._mids[-1][1] if self._mids else self.ledger.mark_px

    def drop_inputs(self) -> None:
        """Forget everything that must be fresh before an order may be sent again."""
        self.book = self.granted = self.target = self._astray = None

    def require_followed(self, target: TargetQuotes) -> None:
        """Targets lean against what we hold. Fills on their way explain a difference for a moment only.

        Raises:
            InvariantError: one target after the other has leaned against something else.
        """
        leaned_sz, held_sz = target.position_sz, self.ledger.position_sz
        if leaned_sz is None or leaned_sz == held_sz or self.unproven:
            self._astray = None
            return
        since_ms, count = self._astray or (target.computed_ms, 0)
        self._astray = since_ms, count + 1
        astray_ms = target.computed_ms - since_ms
        if count >= ASTRAY_TARGETS and astray_ms >= ASTRAY_MS:
            raise InvariantError(
                f"{self.coin}: for {astray_ms / 1000:.0f} s the quoter has leaned against a position of"
                f" {leaned_sz:f}, the ledger holds {held_sz:f}: restart the quoter"
            )

    # ---- orders ----

    @property
    def turns(self) -> tuple[Side, Side]:
        """Both sides, the one that placed last behind: where requests are scarce, neither takes them all."""
        return ("ask", "bid") if self.served == "bid" else SIDES

    def live(self, side: Side) -> list[LiveOrder]:
        return [order for order in self.orders.values() if order.new.side == side]

    def surroundings(self, side: Side, newest_epoch: int, halted: bool, slippage_bps: float = 0.0) -> Surroundings:
        """`slippage_bps`: of an order that takes."""
        return Surroundings(
            meta=self.meta,
            book=self.book,
            newest_epoch=newest_epoch,
            lease=self.lease,
            halted=halted,
            position_sz=self.ledger.position_sz,
            resting_sz=self._live_sz(side),
            max_inv_usd=self.max_inv_usd,
            facing_sz=self._live_sz("ask" if side == "bid" else "bid"),
            slippage_bps=slippage_bps,
        )

    def _live_sz(self, side: Side) -> Decimal:
        return sum((order.remaining_sz for order in self.live(side)), ZERO)

    def fault(self, now_ms: int, side: Side, newest_epoch: int, target_max_age_ms: int) -> Reason | None:
        """Why nothing may rest on a side now; None when the target decides."""
        if self.meta is None:
            return Reason.NO_UNIVERSE
        if self.unproven:
            return Reason.UNRECONCILED
        fault = lease_fault(now_ms, self.lease, side) or book_fault(now_ms, self.book, newest_epoch)
        if fault:
            return fault
        if self.target is None or now_ms - self.target.computed_ms > target_max_age_ms:
            return Reason.NO_TARGET
        return None

    def exit_fault(self, now_ms: int, newest_epoch: int) -> Reason | None:
        """Why not even an order that works the position off may rest now."""
        if self.meta is None:
            return Reason.NO_UNIVERSE
        if self.unproven:
            return Reason.UNRECONCILED
        return guard_silent(now_ms, self.granted) or book_fault(now_ms, self.book, newest_epoch)

    def wanted(self, side: Side) -> tuple[tuple[QuoteLevel, ...], Reason | None]:
        """The target of a side, or the quoter's reason for having none."""
        if self.target is None:
            return (), Reason.NO_TARGET
        bid = side == "bid"
        quotes = self.target.bids if bid else self.target.asks
        reason = self.target.bid_reason if bid else self.target.ask_reason
        shown = self.repricing.apply(side, quotes)
        return shown, reason or (Reason.WOULD_CROSS if len(shown) < len(quotes) else None)

    def opposite_px(self, side: Side, told_px: Decimal | None) -> Decimal | None:
        """The best price that a side must stay behind: our book's or the one the venue named, if it is closer."""
        book = self.book
        levels = () if book is None else book.asks if side == "bid" else book.bids
        known = [px for px in (told_px, levels[0].px if levels else None) if px is not None]
        return (min if side == "bid" else max)(known, default=None)

    def reduce_only(self, side: Side) -> bool:
        """Does the lease allow the side only towards flat?"""
        permit = None if self.lease is None else self.lease.bid if side == "bid" else self.lease.ask
        return permit is not None and permit.allow == "reduce"

    def room_sz(self, side: Side) -> Decimal:
        """How much of a side may be filled in all: up to flat, or up to the coin's inventory limit."""
        if self.reduce_only(side):
            return reducible_sz(side, self.ledger.position_sz)
        if self.target is None or not self.newest_mid:
            return ZERO
        held_sz = self.ledger.position_sz if side == "bid" else -self.ledger.position_sz
        return max(exact(self.max_inv_usd) / self.newest_mid - held_sz, ZERO)

    # ---- reports ----

    def status(self) -> CoinStatus:
        ledger, session = self.ledger, self.ledger.session_totals
        resting = [order for order in self.orders.values() if order.rests]
        bids = [order.new.px for order in resting if order.new.side == "bid"]
        asks = [order.new.px for order in resting if order.new.side == "ask"]
        return CoinStatus(
            coin=self.coin,
            position_sz=ledger.position_sz,
            mark_px=ledger.mark_px,
            realized_usd=session.realized_usd,
            unrealized_usd=session.unrealized_usd,
            fees_usd=session.fees_usd,
            funding_usd=session.funding_usd,
            volume_usd=session.volume_usd,
            fills=session.fills,
            orders_placed=self.placed,
            orders_canceled=self.canceled,
            orders_rejected=self.rejected,
            resting_bids=len(bids),
            resting_asks=len(asks),
            best_bid_px=max(bids, default=None),
            best_ask_px=min(asks, default=None),
            bid_reason=None if self.live("bid") else self.refused["bid"],
            ask_reason=None if self.live("ask") else self.refused["ask"],
            peak_pnl_usd=ledger.session.peak_pnl_usd,
        )


def _reducing(permit: SidePermit, reason: Reason) -> SidePermit:
    return SidePermit("reduce", reason) if permit.allow == "quote" else permit


def update_of(now_ms: int, order: LiveOrder, reason: str = "") -> OrderUpdate:
    """The order's present state as a message."""
    new: NewOrder = order.new
    return OrderUpdate(
        coin=new.coin,
        cloid=new.cloid,
        side=new.side,
        level=new.level,
        px=new.px,
        sz=new.sz,
        filled_sz=order.filled_sz,
        status=order.state,
        reason=reason,
        time_ms=now_ms,
        source_ms=new.source_ms,
    )
