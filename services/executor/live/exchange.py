"""The real venue behind the same interface as `SimExchange`. Pure: what is to be sent comes out of `effects`, what
came back goes into `step`.

Answers, the stream and look-ups tell of the same orders, in any order, twice, or not at all. Rules:
 1. An order leaves in one request and never again. When the answer is lost it is looked up by cloid until the
    venue knows it, or until it can no longer arrive (`expiresAfter`) and the venue still does not know it.
 2. Fills count from `userFills` alone, each once by (time, coin, tid, oid). How an order ended tells how much it
    must have filled; it is over when that much is booked. Fills that do not come are asked for (dark fills).
    An order that takes (`Ioc`) has ended when it is answered.
 3. A cancel is repeated until the order is known to be over. It may leave before the order is known to rest.
 4. An order of this engine that nobody here placed, or whose terms another hand changed, is cancelled.
 5. A replacement is one modify when the old order certainly rests; the new one has a cloid of its own, so that
    whatever is told of either cannot be taken for the other.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any

from services.executor.approve import Approved
from services.executor.live.batches import Batch, batches, pair
from services.executor.live.fates import Fates
from services.executor.live.hearing import Hearing
from services.executor.live.lives import End, Ticket, pause_ms
from services.executor.live.pace import TokenBucket
from services.executor.live.reasons import DOUBTFUL, code_of, inner, opposite_px
from services.executor.live.wiring import Effect, Listed, OrderUnfound, Outcome, Send, StateUnread, name_of
from services.executor.orders import NewOrder
from services.executor.reports import Report
from shared.errors import InvariantError
from shared.hyperliquid import replies
from shared.hyperliquid.account import OpenOrder
from shared.hyperliquid.actions import CancelByCloid
from shared.hyperliquid.cloids import own_prefix
from shared.messages import Reason, Universe

CLOCK_MARGIN_MS = 3_000
"""The venue's clock may be so far behind ours when it drops what is too old."""
LONGEST_LIFETIME_MS = 60_000
"""Of a request whose `expiresAfter` is not known."""


@dataclass(frozen=True, slots=True)
class _Lost:
    """No answer; what was sent may arrive until then."""

    arrives_until_ms: float


@dataclass(frozen=True, slots=True)
class _Undone:
    """Surely not executed."""

    retry_ms: float


_Verdict = replies.Status | _Lost | _Undone
ASKING, UNANSWERED = "ask", "unanswered"
"""In place of an action, for a question: what the venue knows of an order, or of the account."""
_FAULTS: dict[type, str] = {
    replies.Throttled: "throttled",
    replies.Refused: "refused",
    replies.Unknown: "unknown",
    replies.NotSent: "not_sent",
}
_FAULTS_OF = {**dict.fromkeys(("place", "cancel", "modify"), tuple(_FAULTS.values())), ASKING: (UNANSWERED,)}


class LiveExchange:
    """`account` is the address traded for; `pace` makes orders wait for each other."""

    def __init__(self, account: str, pace: TokenBucket | None = None) -> None:
        self._numbers, self._pace = count(1), pace
        self._assets: dict[str, int] = {}
        self._decimals: dict[str, int] = {}
        self._fates = Fates()
        self._hearing = Hearing(self._fates, own_prefix(account), self._assets)
        self._new: list[Ticket] = []
        self._batches: dict[int, Batch] = {}
        self.faults = {action: Counter(dict.fromkeys(hows, 0)) for action, hows in _FAULTS_OF.items()}
        """Whole requests that went wrong, by action and how (`LiveStatus.faults`)."""
        self.cancel_refusals: Counter[Reason] = Counter()
        """Of whole cancels, such as for the request budget; each is tried again after a pause."""
        self.cancel_refusal = ""
        """What the venue said of the last one."""
        self._handlers: dict[type, Callable[[Any], None]] = {
            Universe: self._on_universe,
            Listed: self._on_listed,
            Outcome: self._on_outcome,
            **self._hearing.handlers,
        }

    # ---- what is known ----

    @property
    def rejects(self) -> Counter[Reason]:
        """Orders that never came to rest."""
        return self._fates.rejects

    @property
    def errors(self) -> Counter[str]:
        """Orders and cancels that went wrong, by how; questions harm nobody (`LiveStatus.errors`)."""
        return sum((by_how for action, by_how in self.faults.items() if action != ASKING), Counter())

    @property
    def unknown(self) -> int:
        """Orders whose fate is not known at present."""
        return sum(ticket.state == "unknown" for ticket in self._fates.tickets.values())

    @property
    def quiet(self) -> bool:
        """Is nothing under way, unknown or waited for?"""
        tickets = self._fates.tickets.values()
        steady = all(ticket.state == "open" and not ticket.leaving and not ticket.asking for ticket in tickets)
        return steady and not (self._batches or self._new or self._fates.has_news)

    @property
    def waiting(self) -> bool:
        """Are there orders that have not left?"""
        return bool(self._new)

    @property
    def empty(self) -> bool:
        """Is every order over?"""
        return not self._fates.tickets

    @property
    def left(self) -> list[NewOrder]:
        """Orders that are not over."""
        return [ticket.new for ticket in self._fates.tickets.values()]

    @property
    def leaving_since_ms(self) -> int:
        """See `LiveStatus`."""
        return min((ticket.leaving_ms for ticket in self._fates.tickets.values() if ticket.lingers), default=0)

    @property
    def arriving_until_ms(self) -> float:
        """So long an order whose fate is not known may still come to rest; 0: there is none."""
        unknown = (ticket for ticket in self._fates.tickets.values() if ticket.state == "unknown")
        return max((ticket.arrives_until_ms for ticket in unknown), default=0.0)

    def lists(self, coin: str) -> bool:
        """Is the coin's number known?"""
        return coin in self._assets

    # ---- our side ----

    def place(self, now_ms: int, approved: Approved) -> None:
        """
        Raises:
            InvariantError: this order has been placed before, or its coin is not known to the venue.
        """
        self._fates.now_ms = now_ms
        new = approved.order
        asset = self._assets.get(new.coin)
        if asset is None:
            raise InvariantError(f"order {new.cloid}: the venue has not told the number of {new.coin}")
        ticket = Ticket(new, asset=asset, placed_ms=now_ms)
        self._fates.place(ticket)
        self._new.append(ticket)

    def cancel(self, now_ms: int, cloid: str, *, urgent: bool = True) -> None:
        self._fates.now_ms = now_ms
        ticket = self._fates.tickets.get(cloid)
        if ticket is not None:
            ticket.leave(now_ms)
            ticket.patient = not urgent

    def adopt(self, order: OpenOrder) -> None:
        """Cancel an order of this engine that a process before this one placed."""
        self._fates.adopt(order, self._assets[order.coin])

    def insist(self) -> None:
        """Cancels do not wait for their next turn."""
        for ticket in self._fates.tickets.values():
            ticket.next_cancel_ms = 0.0

    def close(self, now_ms: int) -> Iterable[Report]:
        """Orders live on at the venue; their cancels are among the last effects."""
        self._fates.now_ms = now_ms
        return ()

    def step(self, now_ms: int, msg: Any) -> Iterable[Report]:
        self._fates.now_ms = now_ms
        if isinstance(msg, OrderUnfound | StateUnread):
            self.faults[ASKING][UNANSWERED] += 1
        handler = self._handlers.get(type(msg))
        if handler is not None:
            handler(msg)
        return self._fates.take_reports()

    def effects(self) -> list[Effect]:
        """What is to be done now, cancels first. When there have been many requests, orders and cancels that are
        not urgent wait for others to join them."""
        now_ms = self._fates.now_ms
        for ticket in self._new:
            if ticket.leaving:
                self._fates.withdraw(ticket)
        tickets, fresh = self._fates.tickets.values(), [ticket for ticket in self._new if not ticket.over]
        leaving = [ticket for ticket in tickets if ticket.wants_cancel and ticket.next_cancel_ms <= now_ms]
        pairs, cancels, places = pair(leaving, fresh)
        kinds = bool(pairs) + bool(cancels) + bool(places)
        if self._pace is None or self._pace.take(now_ms, kinds):
            self._new = []
        else:
            self._new, pairs, places = fresh, [], []
            cancels = [ticket for ticket in cancels if not ticket.patient]
        sends = [self._send(batch) for batch in batches(pairs, cancels, places, self._decimals)]
        return [*sends, *self._hearing.questions()]

    def _send(self, batch: Batch) -> Send:
        number = next(self._numbers)
        self._batches[number] = batch
        for ticket in batch.cancelled:
            ticket.meet("replace_sent" if batch.placed else "cancel_sent")
            ticket.cancel_under_way = True
        for ticket in batch.placed:
            ticket.meet("sent")
        return Send(number, batch.action, urgent=isinstance(batch.action, CancelByCloid))

    def _on_universe(self, msg: Universe) -> None:
        self._decimals |= {meta.coin: meta.sz_decimals for meta in msg.coins}

    def _on_listed(self, msg: Listed) -> None:
        self._assets |= msg.assets

    # ---- answers ----

    def _on_outcome(self, msg: Outcome) -> None:
        batch = self._batches.pop(msg.number, None)
        if batch is None:
            return
        if type(msg.result) in _FAULTS:
            self.faults[name_of(batch.action)][_FAULTS[type(msg.result)]] += 1
        verdicts = self._verdicts(msg.result, len(batch.placed or batch.cancelled))
        if not batch.placed:
            for ticket, verdict in zip(batch.cancelled, verdicts, strict=True):
                self._on_cancel(ticket, verdict)
        elif not batch.cancelled:
            for ticket, verdict in zip(batch.placed, verdicts, strict=True):
                self._on_place(ticket, verdict)
        else:
            for old, new, verdict in zip(batch.cancelled, batch.placed, verdicts, strict=True):
                self._on_replace(old, new, verdict)

    def _verdicts(self, result: replies.Outcome, size: int) -> list[_Verdict]:
        """One for each order of a request. What the answer does not say of each is not known of any."""
        verdict: _Verdict = self._doubt()
        match result:
            case replies.Answered(statuses) if len(statuses) == size:
                return list(statuses)
            case replies.Refused(reason, text):
                verdict = replies.Rejected(reason, text)
            case replies.Throttled():
                verdict = _Undone(0.0)
            case replies.NotSent(_, retry_after_s):
                verdict = _Undone(retry_after_s * 1000)
            case replies.Unknown(_, expires_after):
                until_ms = expires_after or self._fates.now_ms + LONGEST_LIFETIME_MS
                verdict = _Lost(until_ms + CLOCK_MARGIN_MS)
        return [verdict] * size

    def _doubt(self) -> _Lost:
        """The venue has answered, so nothing is on its way any more; but what it did is not clear."""
        return _Lost(self._fates.now_ms + CLOCK_MARGIN_MS)

    def _on_place(self, ticket: Ticket, verdict: _Verdict) -> None:
        if ticket.over:
            return
        match verdict:
            case replies.Filled(oid=oid, total_sz=filled_sz) if ticket.new.tif == "Ioc":
                if self._fates.note_oid(ticket, oid):
                    self._fates.end(ticket, End("canceled", filled_sz))
            case replies.Resting(oid=oid) | replies.Filled(oid=oid):
                if self._fates.note_oid(ticket, oid):
                    self._fates.accept(ticket)
            case replies.Rejected(reason, text) if reason not in DOUBTFUL:
                self._fates.reject(ticket, code_of(reason), opposite_px(ticket.new.side, text))
            case _Undone():
                self._fates.reject(ticket, Reason.THROTTLED)
            case _Lost(until_ms):
                self._fates.lose(ticket, until_ms)
            case _:
                self._fates.lose(ticket, self._doubt().arrives_until_ms)

    def _on_cancel(self, ticket: Ticket, verdict: _Verdict) -> None:
        ticket.cancel_under_way = False
        match verdict:
            case replies.Cancelled():
                self._fates.gone(ticket)
            case replies.Rejected(replies.Reason.NOT_OPEN):
                self._fates.not_open(ticket)
            case replies.Rejected(reason, text):
                self.cancel_refusals[code_of(reason)] += 1
                self.cancel_refusal = text
                self._cancel_again(ticket, verdict)
            case _:
                self._cancel_again(ticket, verdict)

    def _on_replace(self, old: Ticket, new: Ticket, verdict: _Verdict) -> None:
        old.cancel_under_way = False
        match verdict:
            case replies.Resting() | replies.Filled():
                self._fates.gone(old)
            case replies.Rejected(replies.Reason.REPLACEMENT_REFUSED):
                self._fates.gone(old)
                verdict = inner(verdict)
            case replies.Rejected(replies.Reason.NOT_MODIFIABLE | replies.Reason.NOT_OPEN):
                self._fates.not_open(old)
            case replies.Rejected(reason) if reason not in DOUBTFUL:
                self._cancel_again(old, verdict)
            case _Undone():
                self._cancel_again(old, verdict)
            case _:
                verdict = verdict if isinstance(verdict, _Lost) else self._doubt()
                self._fates.lose(old, verdict.arrives_until_ms)
        self._on_place(new, verdict)

    def _cancel_again(self, ticket: Ticket, verdict: _Verdict) -> None:
        """After a pause; unless it was surely not executed, it is also looked up."""
        if ticket.over:
            return
        now_ms = self._fates.now_ms
        ticket.cancels += 1
        pause = pause_ms(ticket.cancels)
        if isinstance(verdict, _Undone):
            pause = max(pause, verdict.retry_ms)
        elif ticket.rests:
            ticket.ask(now_ms)
        ticket.next_cancel_ms = now_ms + pause
