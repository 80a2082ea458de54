"""Orders: from target to exchange and from report to order update."""

from collections.abc import Iterable
from typing import Any

from services.executor import lines
from services.executor.approve import Refused, approve
from services.executor.bookkeeper import Bookkeeper, Desks
from services.executor.config import ExecutorConfig
from services.executor.desk import SIDES, Desk, update_of
from services.executor.diff import Plan, Tolerance, plan_side
from services.executor.live.planner import Planner
from services.executor.orders import LiveOrder, NewOrder, cloid
from services.executor.reports import Accepted, Exchange, Filled, Lost, Rejected, Report, Unclaimed
from shared.errors import InvariantError
from shared.hyperliquid.account import Fill
from shared.hyperliquid.cloids import own_prefix
from shared.messages import QuoteLevel, Reason
from shared.units import Side, lot_size

REJECT_LINE_EVERY_MS = 10_000


class Trader:
    """Places and cancels; every order that leaves passed `approve`."""

    def __init__(
        self,
        config: ExecutorConfig,
        exchange: Exchange,
        desks: Desks,
        bookkeeper: Bookkeeper,
        planner: Planner | None,
        account: str,
    ) -> None:
        """`planner` paces requests where they are limited. `account`: the address traded for; none in shadow."""
        self.exchange = exchange
        self.sequence = 0
        """Number of the next order; set at the start (see `orders.cloid`)."""
        self.epoch = 0
        """Connection that the feed runs on."""
        self.stopped: Reason | None = Reason.NO_LEASE
        """Why nothing at all may rest; None while trading."""
        self._unclaimed: list[Fill] = []
        self._requests = 0
        self._config, self._desks, self._bookkeeper, self._planner = config, desks, bookkeeper, planner
        self._prefix = own_prefix(account)
        self._desk_of: dict[str, Desk] = {}
        self._next_reject_line_ms: dict[str, int] = {}

    # ---- towards the target ----

    def align(self, now_ms: int, desk: Desk) -> list[Any]:
        """Bring a coin's orders towards its target."""
        out: list[Any] = []
        desk.unfinished = False
        if self._planner is not None:
            desk.restriction = Reason.REQUEST_BUDGET if self._planner.only_reducing else None
        for side in SIDES:
            live = desk.live(side)
            fault = self.stopped or desk.fault(now_ms, side, self.epoch, self._config.target_max_age_ms)
            if fault:
                desk.refused[side] = fault
                desk.unfinished = True
                for order in live:
                    out += self.cancel(now_ms, order, fault)
            else:
                out += self._align_side(now_ms, desk, side, live)
        return out

    def _align_side(self, now_ms: int, desk: Desk, side: Side, live: list[LiveOrder]) -> list[Any]:
        wanted, desk.refused[side] = desk.wanted(side)
        if not live and not wanted:
            return []
        uncertain = any(order.state == "unknown" for order in live)
        why = Reason.UNKNOWN_ORDER if uncertain else desk.pauses.reason(now_ms, side)
        why = why or (Reason.NO_TARGET if desk.outdated else None)
        assert desk.target is not None and desk.meta is not None
        max_bps = self._config.max_bps_diff * (self._planner.widening() if self._planner else 1.0)
        tolerance = Tolerance(max_bps, desk.target.mid_px, lot_size(desk.meta.sz_decimals))
        plan = plan_side(live, wanted, tolerance, desk.room_sz(side), desk.reduce_only(side))
        plan = Plan(plan.cancels, ()) if why else plan
        asked, plan = len(plan.places), self._afford(now_ms, desk, side, plan)
        out: list[Any] = []
        for order in plan.cancels:
            out += self.cancel(now_ms, order, desk.refused[side] or "requote")
        for quote in plan.places:
            out += self._place(now_ms, desk, side, quote)
        why = why or (Reason.REQUEST_BUDGET if len(plan.places) < asked else None)
        staying = sum(not order.leaving for order in live)
        desk.refused[side] = desk.refused[side] or why
        if why or staying + len(plan.places) < len(wanted):
            desk.unfinished = True
        return out

    def _afford(self, now_ms: int, desk: Desk, side: Side, plan: Plan) -> Plan:
        """What of it the request budget allows now; that is spent."""
        if self._planner is None or not (plan.cancels or plan.places):
            return plan
        places = self._planner.allow(now_ms, desk.coin, len(plan.places), plan.plain_cancels).places
        paced = plan.placing(side, places)
        paced = paced.cancelling(self._planner.allow(now_ms, desk.coin, 0, paced.plain_cancels).cancels)
        self._requests += len(paced.places) + paced.plain_cancels
        self._planner.note_sent(now_ms, desk.coin, len(paced.places), paced.plain_cancels)
        return paced

    def _place(self, now_ms: int, desk: Desk, side: Side, quote: QuoteLevel) -> list[Any]:
        assert desk.target is not None
        new = NewOrder(
            cloid=cloid(self._prefix, self._config.run_id, desk.coin, side, quote.level, self.sequence),
            coin=desk.coin,
            side=side,
            level=quote.level,
            px=quote.px,
            sz=quote.sz,
            source_ms=desk.target.source_ms,
        )
        halted = self.stopped is not None
        verdict = approve(now_ms, new, desk.surroundings(side, self.epoch, halted))
        if isinstance(verdict, Refused):
            desk.refused[side] = verdict.reason
            desk.unfinished = True
            return []
        self.sequence += 1
        order = LiveOrder(new)
        desk.orders[new.cloid] = order
        self._desk_of[new.cloid] = desk
        desk.placed += 1
        self.exchange.place(now_ms, verdict)
        return [update_of(now_ms, order)]

    def cancel(self, now_ms: int, order: LiveOrder, reason: str) -> list[Any]:
        if order.leaving:
            return []
        order.leaving = True
        order.meet("cancel_sent")
        self.exchange.cancel(now_ms, order.new.cloid)
        return [update_of(now_ms, order, reason)]

    def cancel_all(self, now_ms: int, why: str) -> list[Any]:
        """Cancel everything at once; what is wanted must be said anew before it is placed again."""
        out: list[Any] = []
        for desk in self._desks.values():
            desk.target = None
            desk.unfinished = True
            for order in desk.orders.values():
                out += self.cancel(now_ms, order, why)
        return [*out, lines.canceled_everything(len(out), why)] if out else []

    def take_requests(self) -> int:
        """Requests decided on since the last call, as the planner knows them."""
        requests, self._requests = self._requests, 0
        return requests

    # ---- what became of it ----

    def take_unclaimed(self) -> list[Fill]:
        """Fills on the account since the last call that belong to no live order."""
        unclaimed, self._unclaimed = self._unclaimed, []
        return unclaimed

    def take(self, now_ms: int, reports: Iterable[Report]) -> list[Any]:
        return [output for report in reports for output in self._take(now_ms, report)]

    def _take(self, now_ms: int, report: Report) -> list[Any]:
        if isinstance(report, Unclaimed):
            self._unclaimed.append(report.fill)
            return []
        desk = self._desk_of.get(report.cloid)
        if desk is None:
            raise InvariantError(f"the exchange reports on {report.cloid}, which is not an order of ours")
        order = desk.orders[report.cloid]
        reason = ""
        out: list[Any] = []
        if isinstance(report, Accepted):
            order.meet("accepted")
            order.rests = True
            desk.pauses.accepted(order.new.side)
            if order.leaving and order.state == "open":
                order.meet("cancel_sent")
        elif isinstance(report, Lost):
            order.meet("lost")
            desk.unfinished = True
        elif isinstance(report, Filled):
            order.fill(report.sz)
            desk.note_fill(now_ms)
            out = self._bookkeeper.book_fill(now_ms, desk, order, report)
            if self._planner is not None:
                self._planner.note_fill(now_ms, float(report.px * report.sz))
        elif isinstance(report, Rejected):
            order.meet("rejected")
            reason = report.reason
            out = self._rejected(now_ms, desk, order.new, report)
        else:
            order.meet("canceled")
            reason = report.reason
            desk.canceled += 1
        if order.over:
            del desk.orders[report.cloid], self._desk_of[report.cloid]
        return [*out, update_of(now_ms, order, reason)]

    def _rejected(self, now_ms: int, desk: Desk, new: NewOrder, report: Rejected) -> list[Any]:
        """Counted each time, told at most every ten seconds per coin. A level that the market overtook is tried
        again behind the newest touch; other refusals make the side pause."""
        desk.rejected += 1
        desk.refused[new.side] = report.reason
        desk.unfinished = True
        if report.reason is Reason.WOULD_CROSS and desk.meta is not None:
            touch = desk.opposite_px(new.side, report.opposite_px)
            desk.repricing.refused(new, touch, desk.meta.sz_decimals)
        elif report.reason is not Reason.NEVER_ARRIVED:
            desk.pauses.refused(now_ms, new.side, report.reason)
        if now_ms < self._next_reject_line_ms.get(desk.coin, 0):
            return []
        self._next_reject_line_ms[desk.coin] = now_ms + REJECT_LINE_EVERY_MS
        return [lines.rejected(new, report.reason, desk.rejected)]
