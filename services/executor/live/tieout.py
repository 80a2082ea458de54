"""Every minute, and at the end of a session: are our positions and cash what the venue says?

An answer is judged some seconds after it came, because the stream may be behind it, and as of its own time. What
still differs three answers in a row is a difference that nobody can explain: the coin is not quoted (with a
difference in cash: none is) until an answer agrees again. When there are no answers for long, the account counts
as not known (`Recovery.doubt`).
"""

from typing import Any

from services.executor import lines
from services.executor.live.recovery import ANSWER_WITHIN_MS, Recovery
from services.executor.live.statement import Statement
from services.executor.live.wiring import AskState, StateRead, StateUnread
from shared.hyperliquid.account import ClearinghouseState
from shared.service import Tick

EVERY_MS = 60_000
AGAIN_MS = 2_000
SETTLE_MS = 3_000
STRIKES = 3
LAPSE_MS = 300_000
"""Longest time on books that could not be compared with anything."""


class TieOut:
    """At work while the recovery is ready. `differences` stand unexplained, by coin ("": the account)."""

    def __init__(self, statement: Statement, recovery: Recovery) -> None:
        self.differences: dict[str, str] = {}
        self.proven_ms = 0
        """When everything agreed last (our clock)."""
        self._statement, self._recovery = statement, recovery
        self._compared_ms = self._next_ms = 0
        self._question: AskState | None = None
        self._asked_ms = 0
        self._answer: ClearinghouseState | None = None
        self._judge_ms = 0
        self._strikes = 0
        self._resting = True

    def step(self, now_ms: int, msg: Any) -> list[Any]:
        """After the recovery has taken the same input."""
        if self._recovery.fault is not None:
            self._rest()
            return []
        if self._resting:
            self._resting = False
            self.proven_ms = self._compared_ms = now_ms
            self._next_ms = now_ms + EVERY_MS
        if isinstance(msg, Tick):
            return self._on_tick(now_ms)
        if isinstance(msg, StateRead):
            return self._on_read(now_ms, msg)
        if isinstance(msg, StateUnread) and self._question is not None:
            self._question, self._next_ms = None, now_ms + AGAIN_MS
        return []

    def final(self, now_ms: int, state: ClearinghouseState) -> list[Any]:
        """The last word of a session, when nothing of ours rests any more and everything is booked."""
        self.differences = self._statement.differences(state)
        if self.differences:
            told = [lines.untied(coin, text) for coin, text in self.differences.items()]
            return [*self._statement.object(self.differences, state), *told]
        self.proven_ms = now_ms
        proven = self._statement.proven(state)
        return [*proven, lines.tied(*self._statement.summary(state), level="info")]

    def _rest(self) -> None:
        """The recovery compares everything itself; when it is ready, everything has just agreed."""
        self.differences, self._resting = {}, True
        self._question = self._answer = None
        self._strikes = 0

    def _on_tick(self, now_ms: int) -> list[Any]:
        out: list[Any] = []
        if self._answer is not None and now_ms >= self._judge_ms:
            out += self._judge(now_ms, self._answer)
        if self._question is not None and now_ms > self._asked_ms + ANSWER_WITHIN_MS:
            self._question, self._next_ms = None, now_ms
        if now_ms - self._compared_ms > LAPSE_MS:
            return [
                *out,
                *self._recovery.doubt(now_ms, f"not compared with the venue for {LAPSE_MS // 60_000} min"),
            ]
        if self._question is None and self._answer is None and (now_ms >= self._next_ms or self._suspicious()):
            self._question, self._asked_ms = AskState(self._statement.since_ms(now_ms)), now_ms
            out.append(self._question)
        return out

    def _suspicious(self) -> bool:
        """A fill did not begin where our position was: do not wait for the minute."""
        books = self._statement.books
        suspicious, books.suspicious = books.suspicious, False
        return suspicious

    def _on_read(self, now_ms: int, read: StateRead) -> list[Any]:
        if self._question is None or read.asked_ms < self._asked_ms or read.since_ms > self._question.since_ms:
            return []
        self._question, self._answer, self._judge_ms = None, read.clearinghouse, now_ms + SETTLE_MS
        return self._statement.book(now_ms, read.fills, read.fundings)

    def _judge(self, now_ms: int, state: ClearinghouseState) -> list[Any]:
        self._answer, self._compared_ms = None, now_ms
        found = self._statement.differences(state)
        if not found:
            self._strikes, self.proven_ms, self._next_ms = 0, now_ms, now_ms + EVERY_MS
            proven = self._statement.proven(state)
            return [*proven, *self._report({}), lines.tied(*self._statement.summary(state))]
        self._strikes += 1
        self._next_ms = now_ms + (AGAIN_MS if self._strikes < STRIKES else EVERY_MS)
        if self._strikes < STRIKES:
            return []
        return [*self._statement.object(found, state), *self._report(found)]

    def _report(self, found: dict[str, str]) -> list[Any]:
        """Said when it begins and when it ends; numbers that go on changing are not repeated."""
        news = [lines.untied(coin, text) for coin, text in found.items() if coin not in self.differences]
        ended = [lines.tied_again(coin) for coin in self.differences if coin not in found]
        self.differences = found
        return [*news, *ended]
