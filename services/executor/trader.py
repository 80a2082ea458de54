"""Orders: from target to exchange and from report to order update."""

from collections.abc import Iterable, Sequence
from typing import Any

from services.executor import lines
from services.executor.approve import Approved, Refused, approve, approve_exit
from services.executor.bookkeeper import Bookkeeper, Desks
from services.executor.config import ExecutorConfig
from services.executor.desk import SIDES, Desk, update_of
from services.executor.diff import Plan, Tolerance, plan_side
from services.executor.exits import EXIT_LEVEL, Exits, Slice, plan_exit, towards_flat
from services.executor.live.planner import Planner
from services.executor.orders import LiveOrder, NewOrder, cloid
from services.executor.reports import Accepted, Exchange, Filled, Lost, Rejected, Report, Unclaimed
from shared.errors import InvariantError
from shared.hyperliquid.account import Fill
from shared.hyperliquid.cloids import own_prefix
from shared.messages import ExitWay, QuoteLevel, Reason
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
        """Why nothing may be quoted; None while trading."""
        self.frozen: Reason | None = Reason.NO_LEASE
        """Why nothing at all may rest, not even what works a position off."""
        self.exits = Exits()
        """What the operator wants reduced."""
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
        desk.restriction = self._restriction(desk)
        way = self.exits.way(desk.coin)
        if way != "off":
            return self._leave(now_ms, desk, way)
        for side in desk.turns:
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

    def _restriction(self, desk: Desk) -> Reason | None:
        if self.exits.reduces(desk.coin):
            return Reason.REDUCE_ONLY
        return Reason.REQUEST_BUDGET if self._planner is not None and self._planner.only_reducing else None

    def _align_side(self, now_ms: int, desk: Desk, side: Side, live: list[LiveOrder]) -> list[Any]:
        wanted, desk.refused[side] = desk.wanted(side)
        if desk.restriction and desk.meta is not None:
            allowed = towards_flat(wanted, desk.room_sz(side), desk.meta.sz_decimals)
            if len(allowed) < len(wanted):
                desk.refused[side] = desk.refused[side] or desk.restriction
            wanted = allowed
        if not live and not wanted:
            return []
        uncertain = any(order.state == "unknown" for order in live)
        why = Reason.UNKNOWN_ORDER if uncertain else desk.pauses.reason(now_ms, side)
        why = why or (Reason.NO_TARGET if desk.outdated else None)
        assert desk.target is not None and desk.meta is not None
        tolerance = Tolerance(self._max_bps(desk.coin), desk.target.mid_px, lot_size(desk.meta.sz_decimals))
        plan = plan_side(live, wanted, tolerance, desk.room_sz(side), desk.reduce_only(side))
        plan = Plan(plan.cancels, ()) if why else plan
        asked, plan = len(plan.places), self._afford(now_ms, desk, side, plan)
        out: list[Any] = []
        for order in plan.cancels:
            out += self.cancel(now_ms, order, desk.refused[side] or "requote", urgent=False)
        before = desk.placed
        for quote in plan.places:
            out += self._place(now_ms, desk, side, quote)
        self._count(now_ms, desk.coin, desk.placed - before, plan.plain_cancels)
        why = why or (Reason.REQUEST_BUDGET if len(plan.places) < asked else None)
        staying = sum(not order.leaving for order in live)
        desk.refused[side] = desk.refused[side] or why
        if why or staying + len(plan.places) < len(wanted):
            desk.unfinished = True
        return out

    def _afford(self, now_ms: int, desk: Desk, side: Side, plan: Plan) -> Plan:
        """What of it the request budget allows now."""
        if self._planner is None or not (plan.cancels or plan.places):
            return plan
        places = self._planner.allow(now_ms, desk.coin, len(plan.places), plan.plain_cancels).places
        paced = plan.placing(side, places)
        return paced.cancelling(self._planner.allow(now_ms, desk.coin, 0, paced.plain_cancels).cancels)

    def _count(self, now_ms: int, coin: str, places: int = 0, cancels: int = 0) -> None:
        """These requests are decided."""
        if self._planner is not None and places + cancels:
            self._requests += places + cancels
            self._planner.note_sent(now_ms, coin, places, cancels)

    def _max_bps(self, coin: str) -> float:
        """How far an order may be from what is wanted."""
        return self._config.max_bps_diff * (self._planner.requote_widening(coin) if self._planner else 1.0)

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
        return self._send(now_ms, desk, approve(now_ms, new, desk.surroundings(side, self.epoch, halted)), side)

    def _send(self, now_ms: int, desk: Desk, verdict: Approved | Refused, side: Side) -> list[Any]:
        if isinstance(verdict, Refused):
            desk.refused[side] = verdict.reason
            desk.unfinished = True
            return []
        self.sequence += 1
        new = verdict.order
        order = LiveOrder(new)
        desk.orders[new.cloid] = order
        self._desk_of[new.cloid] = desk
        desk.placed += 1
        desk.served = side
        self.exchange.place(now_ms, verdict)
        return [update_of(now_ms, order)]

    # ---- towards flat ----

    def _leave(self, now_ms: int, desk: Desk, way: ExitWay) -> list[Any]:
        """Work the position of a coin off; nothing else of it rests."""
        desk.unfinished = bool(desk.ledger.position_sz or desk.orders)
        fault = self.frozen or desk.exit_fault(now_ms, self.epoch)
        if fault:
            desk.refused = dict.fromkeys(SIDES, fault)
            cancels = [order for order in desk.orders.values() if order.new.tif == "Alo"]
            return [output for order in cancels for output in self.cancel(now_ms, order, fault)]
        plan = plan_exit(desk, way, self._max_bps(desk.coin), self._config.flatten_slippage_bps)
        desk.refused = dict.fromkeys(SIDES, plan.reason)
        out: list[Any] = []
        for order in self._affordable(now_ms, desk, way, plan.cancels):
            out += self.cancel(now_ms, order, plan.reason)
        return out if plan.place is None else out + self._place_exit(now_ms, desk, plan.place)

    def _place_exit(self, now_ms: int, desk: Desk, wanted: Slice) -> list[Any]:
        assert desk.book is not None
        side = wanted.side
        pause = desk.pauses.reason(now_ms, side) or self._unaffordable(now_ms, desk.coin, wanted)
        if pause:
            desk.refused[side] = pause
            return []
        new = NewOrder(
            cloid=cloid(self._prefix, self._config.run_id, desk.coin, side, EXIT_LEVEL, self.sequence),
            coin=desk.coin,
            side=side,
            level=EXIT_LEVEL,
            px=wanted.px,
            sz=wanted.sz,
            source_ms=desk.book.received_ms,
            tif=wanted.tif,
            reduce_only=True,
        )
        around = desk.surroundings(side, self.epoch, False, self._config.flatten_slippage_bps)
        verdict = approve_exit(now_ms, new, around)
        self._count(now_ms, desk.coin, places=isinstance(verdict, Approved))
        return self._send(now_ms, desk, verdict, side)

    def _unaffordable(self, now_ms: int, coin: str, wanted: Slice) -> Reason | None:
        """An order that takes earns a request for each USD and waits for no share. Beyond the budget the venue
        still lets one through each ten seconds; one that it refuses makes a pause."""
        if self._planner is None or wanted.tif == "Ioc":
            return None
        return None if self._planner.allow(now_ms, coin, 1, 0).places else Reason.REQUEST_BUDGET

    def _affordable(
        self, now_ms: int, desk: Desk, way: ExitWay, cancels: Sequence[LiveOrder]
    ) -> Sequence[LiveOrder]:
        """An exit behind the touch stays until its successor can be afforded as well."""
        if self._planner is None or not cancels:
            return cancels
        successors = int(way == "maker" and desk.ledger.position_sz != 0)
        allowance = self._planner.allow(now_ms, desk.coin, successors, len(cancels))
        if successors and not allowance.places:
            cancels = [order for order in cancels if not order.new.reduce_only]
        now = cancels[: allowance.cancels]
        self._count(now_ms, desk.coin, cancels=len(now))
        return now

    def cancel(self, now_ms: int, order: LiveOrder, reason: str, *, urgent: bool = True) -> list[Any]:
        if order.leaving:
            if urgent:
                self.exchange.cancel(now_ms, order.new.cloid)
            return []
        order.leaving = True
        order.meet("cancel_sent")
        self.exchange.cancel(now_ms, order.new.cloid, urgent=urgent)
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
            if self.exits.way(desk.coin) != "off" and not desk.ledger.position_sz:
                out.append(lines.flat(desk.coin))
        elif isinstance(report, Rejected):
            order.meet("rejected")
            reason = report.reason
            out = self._rejected(now_ms, desk, order.new, report)
        else:
            order.meet("canceled")
            reason = report.reason
            desk.canceled += 1
        if order.over:
            desk.ended_ms = now_ms
            del desk.orders[report.cloid], self._desk_of[report.cloid]
        return [*out, update_of(now_ms, order, reason)]

    def _rejected(self, now_ms: int, desk: Desk, new: NewOrder, report: Rejected) -> list[Any]:
        """Counted each time, told at most every ten seconds per coin. A level that the market overtook is tried
        again behind the newest touch; refusals that time does not cure by itself make the side pause."""
        desk.rejected += 1
        desk.refused[new.side] = report.reason
        desk.unfinished = True
        if report.reason is Reason.WOULD_CROSS and desk.meta is not None:
            touch = desk.opposite_px(new.side, report.opposite_px)
            desk.repricing.refused(new, touch, desk.meta.sz_decimals)
        elif report.reason not in (Reason.NEVER_ARRIVED, Reason.REPLACED_TOO_LATE, Reason.NO_MATCH):
            desk.pauses.refused(now_ms, new.side, report.reason)
        if now_ms < self._next_reject_line_ms.get(desk.coin, 0):
            return []
        self._next_reject_line_ms[desk.coin] = now_ms + REJECT_LINE_EVERY_MS
        return [lines.rejected(new, report.reason, desk.rejected)]
