"""From not knowing the account to quoting on it: one path for the start and for every reconnect.

    frozen -> stream up -> account read, unknown fills and payments booked -> own orders cancelled, and read again
    until none is left and none can arrive -> orders of another hand: refused -> positions and cash equal -> thawed

Whatever is not answered within its time is asked again; another disconnect begins anew. What a person has to look
at stays refused until `resume`.
"""

from collections.abc import Callable, Iterable
from typing import Any, Literal

from services.executor import lines
from services.executor.live.statement import ACCOUNT, Statement
from services.executor.live.wiring import (
    AskState,
    OrderUpdates,
    Reconnect,
    StateRead,
    StateUnread,
    StreamDown,
    StreamUp,
)
from shared.errors import InvariantError
from shared.hyperliquid.account import Fill, OpenOrder, UserFundings, rests
from shared.hyperliquid.cloids import is_own, own_prefix
from shared.messages import Reason
from shared.service import BusLost, Tick

Phase = Literal["down", "asking", "waiting", "ready", "refused"]
Happening = Literal["up", "down", "unread", "unsettled", "unequal", "due", "equal", "refused", "doubt", "resume"]

PHASES: dict[Phase, dict[Happening, Phase]] = {
    "down": {"up": "asking", "down": "down"},
    "asking": {
        "up": "asking",
        "unread": "waiting",
        "unsettled": "waiting",
        "unequal": "waiting",
        "equal": "ready",
        "refused": "refused",
        "down": "down",
    },
    "waiting": {"up": "asking", "due": "asking", "down": "down"},
    "ready": {"up": "asking", "doubt": "asking", "down": "down"},
    "refused": {"up": "refused", "down": "refused", "resume": "down"},
}
"""`unsettled`: own orders rest, may still arrive, or their fate is open. `unequal`: the books differ, perhaps only
because the parts of an answer are not of the same moment. Quoting is allowed in `ready` alone."""

STREAM_WITHIN_MS = 60_000
ANSWER_WITHIN_MS = 30_000
PAUSES_MS = (500, 500, 1_000, 2_000, 5_000)
"""Before the account is read again; the last one from then on."""
UNEQUAL_READS = 5
"""So many in a row are a fact."""
ALARM_READS = 20
"""Own orders that rest so long are told as an error, and again after as many reads."""


class Recovery:
    """`adopt` has an order of ours cancelled that nobody here knows; `quiet` tells that no order is under way."""

    def __init__(
        self, account: str, statement: Statement, adopt: Callable[[OpenOrder], None], quiet: Callable[[], bool]
    ) -> None:
        self.phase: Phase = "down"
        self.refusal: tuple[str, ...] = ()
        """What a person has to look at, while refused."""
        self._prefix, self._statement, self._adopt, self._quiet = own_prefix(account), statement, adopt, quiet
        self._connection = 0
        self._connected = False
        self._until_ms = 0
        """When the present phase has lasted too long, or the pause is over."""
        self._patient_until_ms = 0
        """So long an order that is under way is waited for: looks of before would see it unsettled."""
        self._arriving_until_ms = 0
        self._begun_ms = self._asked_ms = self._since_ms = 0
        self._reads = self._unequal = self._dark_before = 0
        self._swept: set[str] = set()
        self._may_restate = True
        """Nobody was here to see deposits and withdrawals: at the start, unless a difference was told before it;
        and when a person says so."""
        self._handlers: dict[type, Callable[[int, Any], list[Any]]] = {
            StreamUp: self._on_up,
            StreamDown: self._on_down,
            StateRead: self._on_read,
            StateUnread: self._on_unread,
            OrderUpdates: self._on_updates,
            UserFundings: self._on_fundings,
            Tick: self._on_tick,
            BusLost: self._on_tick,
        }

    @property
    def fault(self) -> Reason | None:
        """Why nothing may be placed."""
        if self.phase == "ready":
            return None
        return Reason.UNRECONCILED if self.phase == "refused" else Reason.RECONNECTING

    # ---- from the core ----

    def begin(self, now_ms: int, arriving_until_ms: int) -> list[Any]:
        """The process has begun. Orders that one before it sent may reach the venue until then (our clock)."""
        self._arriving_until_ms = arriving_until_ms
        self._may_restate = not self._statement.unexplained
        self._begin(now_ms)
        return [lines.recovering("start"), *self._connect(now_ms, "start")]

    def step(self, now_ms: int, msg: Any) -> list[Any]:
        """After the exchange and the trader have taken the same input, and their reports are booked."""
        handler = self._handlers.get(type(msg))
        return handler(now_ms, msg) if handler else []

    def unclaimed(self, now_ms: int, fills: Iterable[Fill]) -> list[Any]:
        """Fills of no live order. One that was not ours means that somebody else trades on the account."""
        out: list[Any] = []
        for fill in fills:
            booked = self._statement.book(now_ms, [fill])
            out += booked
            if booked and not is_own(fill.cloid, self._prefix):
                out += self.doubt(now_ms, f"a fill of another hand: {fill.coin} {fill.side} {fill.sz} @ {fill.px}")
        return out

    def doubt(self, now_ms: int, why: str) -> list[Any]:
        """Something does not fit: look at everything again before another order is placed."""
        if self.phase != "ready":
            return []
        self._begin(now_ms)
        self._meet("doubt")
        return [lines.recovering(why), self._ask(now_ms)]

    def resume(self, now_ms: int) -> list[Any]:
        """A person has looked at the account: what it holds in cash is right, and equality is tried again. While
        the account is being read, that is their word on what was told before; what comes to light now is not."""
        self._may_restate |= self._statement.unexplained
        untied = self.phase == "ready" and self._statement.books.untied
        if self.phase != "refused" and not untied:
            return []
        self._may_restate = True
        if untied:
            return self.doubt(now_ms, "resumed")
        self._begin(now_ms)
        self._meet("resume")
        self.refusal = ()
        out: list[Any] = [lines.recovering("resumed")]
        if not self._connected:
            return [*out, *self._connect(now_ms, "resumed")]
        self._meet("up")
        return [*out, self._ask(now_ms)]

    # ---- connection ----

    def _on_up(self, now_ms: int, msg: StreamUp) -> list[Any]:
        if self._connected and self.phase != "refused":
            self._begin(now_ms)
        self._connection, self._connected = msg.connection, True
        self._meet("up")
        return [self._ask(now_ms)] if self.phase == "asking" else []

    def _on_down(self, now_ms: int, msg: StreamDown) -> list[Any]:
        if msg.connection < self._connection:
            return []
        out: list[Any] = []
        if self.phase == "ready":
            out.append(lines.recovering(f"stream lost: {msg.reason}"))
        self._connection, self._connected = msg.connection, False
        if self.phase != "refused":
            self._begin(now_ms)
        self._meet("down")
        return [*out, *self._connect(now_ms, msg.reason)]

    def _connect(self, now_ms: int, reason: str) -> list[Any]:
        self._until_ms = now_ms + STREAM_WITHIN_MS
        return [Reconnect(reason)]

    # ---- questions and answers ----

    def _on_tick(self, now_ms: int, _: Tick | BusLost) -> list[Any]:
        if now_ms < self._until_ms:
            return []
        if self.phase == "waiting":
            if now_ms < self._patient_until_ms and not self._quiet():
                return []
            self._meet("due")
            return [self._ask(now_ms)]
        if self.phase == "asking":
            return self._on_unread(now_ms, StateUnread("no answer"))
        return [] if self._connected else self._connect(now_ms, "the stream does not come up")

    def _ask(self, now_ms: int) -> AskState:
        self._asked_ms, self._since_ms = now_ms, self._statement.since_ms(now_ms)
        self._until_ms = now_ms + ANSWER_WITHIN_MS
        return AskState(self._since_ms)

    def _on_unread(self, now_ms: int, _: StateUnread) -> list[Any]:
        return self._wait(now_ms, "unread") if self.phase == "asking" else []

    def _on_read(self, now_ms: int, read: StateRead) -> list[Any]:
        """An answer to somebody else's question may be older or reach less far back than ours."""
        if self.phase != "asking" or read.asked_ms < self._asked_ms or read.since_ms > self._since_ms:
            return []
        out = self._statement.book(now_ms, read.fills, read.fundings)
        own = [order for order in read.open_orders if is_own(order.cloid, self._prefix)]
        foreign = [order for order in read.open_orders if self._foreign(order)]
        for order in own:
            self._adopt(order)
            self._swept.add(order.cloid or "")
        if own or read.asked_ms <= self._arriving_until_ms or not self._quiet():
            return [*out, *self._wait(now_ms, "unsettled", self._arriving_until_ms + 1), *self._alarm(len(own))]
        if foreign:
            return [*out, *self._refuse([_described(order) for order in foreign])]
        return [*out, *self._compare(now_ms, read)]

    def _alarm(self, own: int) -> list[Any]:
        return [lines.still_resting(own)] if own and self._reads % ALARM_READS == 0 else []

    def _compare(self, now_ms: int, read: StateRead) -> list[Any]:
        statement, state = self._statement, read.clearinghouse
        out = [] if statement.baseline else statement.open(now_ms, state)
        differences = statement.differences(state)
        if differences and self._unequal + 1 < UNEQUAL_READS:
            self._unequal += 1
            return [*out, *self._wait(now_ms, "unequal")]
        if differences.keys() == {ACCOUNT} and self._may_restate:
            out += statement.restate(state)
        elif differences:
            out += statement.object(differences, state)
            return [*out, *self._refuse([f"{coin or 'account'}: {text}" for coin, text in differences.items()])]
        return [*out, *statement.proven(state), *self._thaw(now_ms)]

    def _thaw(self, now_ms: int) -> list[Any]:
        self._meet("equal")
        self._may_restate = False
        books = self._statement.books
        dark_fills = books.dark_fills - self._dark_before
        return books.reconcile(lines.recovered(len(self._swept), dark_fills, now_ms - self._begun_ms))

    def _refuse(self, why: list[str]) -> list[Any]:
        self._meet("refused")
        self.refusal = tuple(why)
        return [lines.refused(why)]

    # ---- the stream ----

    def _on_updates(self, now_ms: int, msg: OrderUpdates) -> list[Any]:
        for update in msg.updates:
            if rests(update.status) and self._foreign(update.order):
                return self.doubt(now_ms, f"an order of another hand: {_described(update.order)}")
        return []

    def _foreign(self, order: OpenOrder) -> bool:
        return self._statement.concerns(order.coin) and not is_own(order.cloid, self._prefix)

    def _on_fundings(self, now_ms: int, msg: UserFundings) -> list[Any]:
        """Until all earlier ones are booked, payments come from reading the account: they are booked in order."""
        return self._statement.book(now_ms, (), msg.fundings) if self.phase == "ready" else []

    # ---- phases ----

    def _begin(self, now_ms: int) -> None:
        """Again and again, if it is disturbed: what was found since we were ready is told when we are so again."""
        self._begun_ms = now_ms
        self._reads = self._unequal = 0
        if self.phase == "ready":
            self._dark_before = self._statement.books.dark_fills
            self._swept.clear()

    def _wait(self, now_ms: int, why: Happening, at_least_until_ms: int = 0) -> list[Any]:
        """A look before it can tell something new is weight of the IP's budget wasted."""
        self._meet(why)
        self._until_ms = max(now_ms + PAUSES_MS[min(self._reads, len(PAUSES_MS) - 1)], at_least_until_ms)
        self._patient_until_ms = now_ms + PAUSES_MS[-1]
        self._reads += 1
        return []

    def _meet(self, happening: Happening) -> None:
        following = PHASES[self.phase].get(happening)
        if following is None:
            raise InvariantError(f"recovery: {happening} while {self.phase}")
        self.phase = following


def _described(order: OpenOrder) -> str:
    side = "buy" if order.side == "B" else "sell"
    return f"{order.coin} {side} {order.sz} @ {order.limit_px} (oid {order.oid})"
