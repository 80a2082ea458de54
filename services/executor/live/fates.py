"""What becomes of our orders at the venue: the one place where a ticket moves on, and where that is reported.

News may come late, twice or in the wrong order: every method here may be called again, and what contradicts
something certain is asked for instead of believed.
"""

import math
from collections import Counter
from decimal import Decimal

from services.executor.live.lives import End, Ticket
from services.executor.orders import Happening, NewOrder
from services.executor.reports import Accepted, Canceled, Filled, Lost, Rejected, Report, Unclaimed
from shared.errors import InvariantError
from shared.hyperliquid.account import Fill, OpenOrder
from shared.messages import Reason
from shared.recent import Recent

TOLD_WITHIN_MS = 2_000
"""How long the stream may take to tell what an answer implies; then the venue is asked."""
BY_ANOTHER_HAND = "external"
_REMEMBERED = 16_384


class Fates:
    """All orders that are not over, by cloid."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.tickets: dict[str, Ticket] = {}
        self.rejects: Counter[Reason] = Counter()
        self.read_state_ms = math.inf
        """When the account must be read, because fills have not come."""
        self._reports: list[Report] = []
        self._fills = Recent(_REMEMBERED)
        self._over = Recent(_REMEMBERED)
        """(cloid, oid) of orders that are over."""

    def take_reports(self) -> list[Report]:
        reports, self._reports = self._reports, []
        return reports

    @property
    def has_news(self) -> bool:
        """Is there a report that nobody has taken yet?"""
        return bool(self._reports)

    # ---- beginnings ----

    def place(self, ticket: Ticket) -> None:
        """
        Raises:
            InvariantError: this order has been placed before.
        """
        cloid = ticket.new.cloid
        if cloid in self.tickets or cloid in self._over:
            raise InvariantError(f"order {cloid} was to be placed twice")
        self.tickets[cloid] = ticket

    def adopt(self, order: OpenOrder, asset: int) -> None:
        """An order of this engine rests that nobody here placed or that was thought to be over: it is to go."""
        if order.cloid is None or order.cloid in self.tickets or (order.cloid, order.oid) in self._over:
            return
        new = NewOrder(
            order.cloid,
            order.coin,
            "bid" if order.side == "B" else "ask",
            0,
            order.limit_px,
            order.orig_sz,
            0.0,
        )
        self.tickets[order.cloid] = Ticket(
            new,
            "open",
            order.orig_sz - order.sz,
            rests=True,
            leaving=True,
            leaving_ms=self.now_ms,
            asset=asset,
            oid=order.oid,
            placed_ms=self.now_ms,
            rested_ms=self.now_ms,
            orphan=True,
        )

    def note_oid(self, ticket: Ticket, oid: int) -> bool:
        """False for news of an order that another hand has replaced under the same cloid. The one that stands
        there now is not what was approved, so it must go."""
        if ticket.oid is not None and oid < ticket.oid:
            return False
        if ticket.oid is not None and oid > ticket.oid and ticket.rests:
            ticket.leave(self.now_ms)
            ticket.next_cancel_ms, ticket.gone_ms = 0.0, None
        ticket.oid = oid
        return True

    def accept(self, ticket: Ticket) -> None:
        """It rests, or did."""
        if not ticket.rests or ticket.state == "unknown":
            ticket.meet("accepted")
            ticket.rests, ticket.rested_ms = True, min(ticket.rested_ms, self.now_ms)
            self._report(ticket, Accepted(ticket.new.cloid))
        if ticket.gone_ms is None:
            ticket.certain()
        if ticket.next_cancel_ms == math.inf:
            ticket.next_cancel_ms = 0.0

    # ---- doubts ----

    def lose(self, ticket: Ticket, arrives_until_ms: float) -> None:
        """The answer about it is lost."""
        if ticket.over:
            return
        ticket.arrives_until_ms = arrives_until_ms
        existed = ticket.rests or ticket.gone_ms is not None or ticket.end is not None
        if not existed or ticket.state == "replacing":
            ticket.meet("lost")
            self._report(ticket, Lost(ticket.new.cloid))
        ticket.ask(self.now_ms)

    def gone(self, ticket: Ticket) -> None:
        """The venue has cancelled it. How much had filled, the stream tells, or a look-up."""
        if not ticket.over:
            ticket.gone_ms = self.now_ms
            ticket.ask(self.now_ms + TOLD_WITHIN_MS)

    def not_open(self, ticket: Ticket) -> None:
        """It is over, or its cancel was there before it; then `accept` lets it be cancelled again."""
        if ticket.over:
            return
        ticket.next_cancel_ms = math.inf
        if ticket.rests or ticket.state == "unknown":
            ticket.ask(self.now_ms + TOLD_WITHIN_MS)

    # ---- fills ----

    def fill(self, record: Fill, *, dark: bool = False) -> None:
        """Book a fill, once."""
        if not self._fills.add((record.time, record.coin, record.tid, record.oid)):
            return
        ticket = self.tickets.get(record.cloid or "")
        if ticket is None or ticket.orphan:
            self._reports.append(Unclaimed(record))
            return
        if not ticket.rests or ticket.state == "unknown":
            self.accept(ticket)
        self.note_oid(ticket, record.oid)
        ticket.fill(record.sz)
        report = Filled(
            cloid=ticket.new.cloid,
            fill_id=f"{record.time}-{record.coin}-{record.tid}-{record.oid}",
            px=record.px,
            sz=record.sz,
            fee_usd=record.fee,
            time_ms=record.time,
            record=record,
            dark=dark,
        )
        self._report(ticket, report)
        if ticket.over:
            self._forget(ticket)
        else:
            self._settle(ticket)

    # ---- ends ----

    def reject(self, ticket: Ticket, reason: Reason, opposite_px: Decimal | None = None) -> None:
        """It never rested."""
        if ticket.over:
            return
        if ticket.rests or ticket.gone_ms is not None or ticket.end is not None:
            ticket.ask(self.now_ms)
            return
        self.rejects[reason] += 1
        self._finish(ticket, "rejected", Rejected(ticket.new.cloid, reason, opposite_px))

    def withdraw(self, ticket: Ticket) -> None:
        """It never left."""
        ticket.meet("cancel_sent")
        self._finish(ticket, "canceled", Canceled(ticket.new.cloid))

    def end(self, ticket: Ticket, end: End) -> None:
        """The venue has said how it ended."""
        if ticket.over or (ticket.end is not None and ticket.end.exact):
            return
        self.accept(ticket)
        if ticket.end is None:
            ticket.ended_ms = self.now_ms
        ticket.end = end
        ticket.certain()
        self._settle(ticket)

    def read_fills(self, asked_ms: int) -> None:
        """Every fill of the account up to that time has been booked: so much it was."""
        for ticket in list(self.tickets.values()):
            if ticket.end is not None and not ticket.end.exact and ticket.ended_ms <= asked_ms:
                self.end(ticket, End(ticket.end.status, ticket.filled_sz))

    def _settle(self, ticket: Ticket) -> None:
        if ticket.end is None:
            return
        if not ticket.settled:
            self.read_state_ms = min(self.read_state_ms, self.now_ms + TOLD_WITHIN_MS)
            return
        wished = (ticket.leaving or ticket.new.tif == "Ioc") and ticket.end.status == "canceled"
        status = BY_ANOTHER_HAND if ticket.end.status == "canceled" else ticket.end.status
        self._finish(ticket, "canceled", Canceled(ticket.new.cloid, "" if wished else status))

    def _finish(self, ticket: Ticket, happening: Happening, report: Report) -> None:
        ticket.meet(happening)
        self._report(ticket, report)
        self._forget(ticket)

    def _forget(self, ticket: Ticket) -> None:
        cloid = ticket.new.cloid
        del self.tickets[cloid]
        self._over.add((cloid, ticket.oid))
        self._over.add(cloid)

    def _report(self, ticket: Ticket, report: Report) -> None:
        if not ticket.orphan:
            self._reports.append(report)
