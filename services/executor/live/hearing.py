"""What is heard of our orders besides the answers to requests: the stream, and what look-ups find."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from services.executor.live.fates import TOLD_WITHIN_MS, Fates
from services.executor.live.lives import End, Ticket, end_of, never_rested, pause_ms
from services.executor.live.reasons import code_of_status
from services.executor.live.wiring import (
    AskOrder,
    AskState,
    OrderFound,
    OrderUnfound,
    OrderUpdates,
    StateRead,
    StateUnread,
    StreamUp,
)
from shared.hyperliquid.account import Fill, OpenOrder, UserFills, rests
from shared.hyperliquid.cloids import is_own
from shared.messages import Reason

OTHERS_READ_MS = 5_000
FILLS_BACK_MS = 60_000
"""Fills are asked for from so long before the oldest order on: the venue's clock is not ours."""


class Hearing:
    """Turns what comes in into fates, and says what to ask next. `assets` is filled by its owner."""

    def __init__(self, fates: Fates, prefix: str, assets: Mapping[str, int]) -> None:
        self._fates, self._prefix, self._assets = fates, prefix, assets
        self._reading = self._missed = False
        self._unread = 0
        self.handlers: dict[type, Callable[[Any], None]] = {
            OrderUpdates: self._on_updates,
            UserFills: self._on_fills,
            OrderFound: self._on_found,
            OrderUnfound: self._on_unfound,
            StreamUp: self._on_stream_up,
            StateRead: self._on_state,
            StateUnread: self._on_no_state,
        }

    def questions(self) -> list[AskOrder | AskState]:
        """Those that are due."""
        fates = self._fates
        out: list[AskOrder | AskState] = []
        for ticket in fates.tickets.values():
            if ticket.ask_at_ms <= fates.now_ms and not ticket.asking:
                ticket.asking, ticket.ask_at_ms = True, math.inf
                out.append(AskOrder(ticket.new.cloid))
        if fates.read_state_ms <= fates.now_ms and not self._reading:
            fates.read_state_ms = math.inf
            if self._missed or any(ticket.awaits_fills for ticket in fates.tickets.values()):
                self._reading = True
                out.append(AskState(self._since_ms()))
        return out

    def _since_ms(self) -> int:
        """Every fill of a live order is younger."""
        placed_ms = (ticket.placed_ms for ticket in self._fates.tickets.values())
        return min(placed_ms, default=self._fates.now_ms) - FILLS_BACK_MS

    # ---- the stream ----

    def _on_stream_up(self, _: StreamUp) -> None:
        """What was told while nobody listened is not told again. Whoever keeps the books reads the account now;
        only if that does not come it is asked for here."""
        fates = self._fates
        self._missed = bool(fates.tickets)
        fates.read_state_ms = fates.now_ms + OTHERS_READ_MS
        for ticket in fates.tickets.values():
            ticket.hurry(fates.now_ms)

    def _on_updates(self, msg: OrderUpdates) -> None:
        for update in msg.updates:
            ticket = self._fates.tickets.get(update.order.cloid or "")
            if ticket is not None:
                self._on_status(ticket, update.order, update.status)
            elif is_own(update.order.cloid, self._prefix) and rests(update.status):
                self._adopt(update.order)

    def _adopt(self, order: OpenOrder) -> None:
        """What this engine has on another dex is for whoever trades there."""
        asset = self._assets.get(order.coin)
        if asset is not None:
            self._fates.adopt(order, asset)

    def _on_status(self, ticket: Ticket, order: OpenOrder, status: str) -> None:
        """A refusal whose answer is on its way waits for it: the answer names the price that the order met."""
        if not self._fates.note_oid(ticket, order.oid):
            return
        if rests(status):
            self._fates.accept(ticket)
        elif never_rested(status):
            if ticket.state != "sent":
                self._fates.reject(ticket, code_of_status(status))
        else:
            self._fates.end(ticket, end_of(ticket.new, status, order.sz, order.orig_sz))

    def _on_fills(self, msg: UserFills) -> None:
        for fill in _oldest_first(msg.fills, newest_first=msg.is_snapshot):
            self._fates.fill(fill)

    # ---- look-ups ----

    def _on_found(self, msg: OrderFound) -> None:
        ticket = self._fates.tickets.get(msg.cloid)
        if ticket is None:
            return
        ticket.asking = False
        if msg.state is None:
            self._on_unheard_of(ticket, msg.asked_ms)
        elif not rests(msg.state.status):
            self._on_status(ticket, msg.state.order, msg.state.status)
        elif ticket.gone_ms is not None and msg.asked_ms <= ticket.gone_ms:
            self._again(ticket)
        elif self._fates.note_oid(ticket, msg.state.order.oid):
            ticket.gone_ms = None
            self._fates.accept(ticket)

    def _on_unheard_of(self, ticket: Ticket, asked_ms: int) -> None:
        """The venue does not know the cloid. Of an order that was there: it is long over and forgotten. Of one
        that may still be on its way, that means nothing yet."""
        fates = self._fates
        if ticket.gone_ms is not None or asked_ms >= ticket.rested_ms:
            fates.end(ticket, End("forgotten", None))
            fates.read_state_ms = fates.now_ms
        elif ticket.rests or asked_ms <= ticket.arrives_until_ms:
            at_least_ms = ticket.arrives_until_ms + 1 if ticket.arrives_until_ms < math.inf else 0.0
            self._again(ticket, at_least_ms)
        else:
            fates.reject(ticket, Reason.NEVER_ARRIVED)

    def _on_unfound(self, msg: OrderUnfound) -> None:
        ticket = self._fates.tickets.get(msg.cloid)
        if ticket is not None:
            ticket.asking = False
            self._again(ticket)

    def _again(self, ticket: Ticket, at_least_ms: float = 0.0) -> None:
        ticket.asks += 1
        ticket.ask(max(self._fates.now_ms + pause_ms(ticket.asks), at_least_ms))

    def _on_state(self, msg: StateRead) -> None:
        """Fills first; then orders that should rest and do not are looked up."""
        self._reading = self._missed = False
        fates = self._fates
        reaches_back = msg.since_ms <= self._since_ms()
        for fill in _oldest_first(msg.fills, newest_first=False):
            fates.fill(fill, dark=msg.asked_ms - fill.time > TOLD_WITHIN_MS)
        resting = {order.cloid: order for order in msg.open_orders}
        for ticket in list(fates.tickets.values()):
            known_before = ticket.rested_ms < msg.asked_ms and ticket.end is None
            if known_before and ticket.new.cloid not in resting:
                ticket.ask(fates.now_ms)
        if reaches_back:
            fates.read_fills(msg.asked_ms)
        if any(ticket.awaits_fills for ticket in fates.tickets.values()):
            self._read_again()
        else:
            self._unread = 0

    def _on_no_state(self, _: StateUnread) -> None:
        self._reading = False
        self._read_again()

    def _read_again(self) -> None:
        self._unread += 1
        at_ms = self._fates.now_ms + pause_ms(self._unread)
        self._fates.read_state_ms = min(self._fates.read_state_ms, at_ms)


def _oldest_first(fills: Iterable[Fill], *, newest_first: bool) -> list[Fill]:
    """In the venue's order within a millisecond."""
    ordered = list(fills)
    return sorted(ordered[::-1] if newest_first else ordered, key=lambda fill: fill.time)
