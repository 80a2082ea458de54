"""The end of a live process: cancel until the venue says that nothing of ours rests; then the last comparison."""

from typing import Any

from services.executor import lines
from services.executor.live.exchange import LiveExchange
from services.executor.live.statement import Statement
from services.executor.live.tieout import TieOut
from services.executor.live.wiring import AskState, Effect, GiveUp, StateRead, StateUnread
from shared.hyperliquid.cloids import is_own, own_prefix

LOOKS = 4
"""So often the account is read, and what still rests is cancelled again."""
PAUSE_MS = 2_000
"""Before another look."""


class Farewell:
    """At work from `begun` on; `closed` when there is nothing left to say or to do."""

    def __init__(self, account: str, exchange: LiveExchange, statement: Statement, tie_out: TieOut) -> None:
        self.begun = self.closed = False
        self.arriving_until_ms = 0
        """Orders of the process before this one may reach the venue until then."""
        self._prefix, self._exchange = own_prefix(account), exchange
        self._statement, self._tie_out = statement, tie_out
        self._looks = 0
        self._compared = False
        self._question: AskState | None = None
        self._failure = ""

    def begin(self) -> None:
        self.begun = True

    def step(self, now_ms: int, msg: Any) -> list[Any]:
        """After the exchange has taken the same input."""
        if self._question is None:
            return []
        if isinstance(msg, StateUnread):
            self._question = None
            return self._again("the venue does not answer")
        if not isinstance(msg, StateRead) or msg.since_ms > self._question.since_ms:
            return []
        self._question = None
        own = [order for order in msg.open_orders if is_own(order.cloid, self._prefix)]
        if own or not self._exchange.empty:
            for order in own:
                self._exchange.adopt(order)
            self._exchange.insist()
            return self._again(f"{len(own)} own orders rest" if own else "the fate of orders is open")
        if msg.asked_ms <= self.arriving_until_ms:
            return self._again("orders of the process before it may still arrive")
        if self._statement.baseline is None:
            self.closed = True
            return []
        return self._compare(now_ms, msg)

    def _compare(self, now_ms: int, read: StateRead) -> list[Any]:
        """A payment between two of the questions looks like a difference: the next answer has it in both."""
        booked = self._statement.book(now_ms, read.fills, read.fundings)
        if not self._compared and self._looks < LOOKS and self._statement.differences(read.clearinghouse):
            self._compared = True
            return booked
        self.closed = True
        return [*booked, *self._tie_out.final(now_ms, read.clearinghouse)]

    def effects(self, now_ms: int) -> list[Effect]:
        """When nothing else is to be done."""
        if self.closed or self._question is not None:
            return []
        if self._looks == LOOKS:
            self.closed = True
            return [GiveUp(self._failure)]
        at_ms = max(now_ms + PAUSE_MS, self._arriving_until_ms + 1) if self._looks else 0
        self._looks += 1
        self._question = AskState(self._statement.since_ms(now_ms), at_ms)
        return [self._question]

    @property
    def _arriving_until_ms(self) -> float:
        return max(self.arriving_until_ms, self._exchange.arriving_until_ms)

    def _again(self, failure: str) -> list[Any]:
        self._failure = failure
        return [lines.still_there(failure, self._exchange.left)] if self._looks == LOOKS else []
