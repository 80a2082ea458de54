"""The live side of the executor: the venue, the account there, the requests it allows, the consent to trade."""

from collections.abc import Sequence
from typing import Any

from services.executor import lines
from services.executor.bookkeeper import Bookkeeper, Desks
from services.executor.config import ExecutorConfig
from services.executor.live.exchange import CLOCK_MARGIN_MS, LiveExchange
from services.executor.live.farewell import Farewell
from services.executor.live.pace import TokenBucket
from services.executor.live.planner import Planner
from services.executor.live.recovery import Recovery
from services.executor.live.statement import Statement
from services.executor.live.tieout import TieOut
from services.executor.live.wiring import Effect, Send, StateRead, StateUnread
from services.executor.trader import REJECT_LINE_EVERY_MS
from shared.confirmation import Confirmation, time_fault
from shared.errors import ConfigError
from shared.hyperliquid.account import Fill
from shared.hyperliquid.replies import size_of
from shared.messages import LiveStatus, Reason

ACTIONS_FRAC = 0.5
"""Part of the weight for requests that act. The rest is for questions: reading the account takes 82, and a minute
with several disturbances needs several readings."""
BURST = 30
UNREAD_LINE_EVERY_MS = 60_000


class LiveSide:
    """Nothing is placed before a `Confirmation` has come, and only while it holds."""

    quoted_for = True

    def __init__(self, config: ExecutorConfig, account: str, desks: Desks, bookkeeper: Bookkeeper) -> None:
        self.exchange = LiveExchange(account, TokenBucket(config.request_weight / 60 * ACTIONS_FRAC, BURST))
        self.planner = Planner(config)
        self._config, self._account, self._bookkeeper = config, account, bookkeeper
        self._statement = Statement(bookkeeper, desks, config.dex, account)
        self._recovery = Recovery(account, self._statement, self.exchange.adopt, lambda: self.exchange.quiet)
        self._tie_out = TieOut(self._statement, self._recovery)
        self._confirmation: Confirmation | None = None
        self._unconfirmed = "not confirmed yet"
        self._unsent = 0
        """Requests that were decided and wait to leave."""
        self._refused = [0, 0]
        self._told_refusals = self._next_refusal_line_ms = 0
        self._next_unread_line_ms = 0
        self._farewell = Farewell(account, self.exchange, self._statement, self._tie_out)

    # ---- life ----

    def begin(self, now_ms: int) -> list[Any]:
        """
        Raises:
            ConfigError: the books are another account's.
        """
        baseline = self._statement.baseline
        if baseline is not None and baseline.account != self._account:
            raise ConfigError(
                f"the books here are those of account {baseline.account}, and HL_ADDRESS is {self._account}:"
                " give each account a folder of its own (MM_RUN_DIR and MM_DATA_DIR)"
            )
        arriving_until_ms = now_ms + self._config.action_lifetime_ms + CLOCK_MARGIN_MS
        self._farewell.arriving_until_ms = arriving_until_ms
        return self._recovery.begin(now_ms, arriving_until_ms)

    def step(self, now_ms: int, msg: Any, unclaimed: Sequence[Fill]) -> list[Any]:
        if isinstance(msg, StateRead) and msg.rate_limit is not None:
            self.planner.learn(msg.asked_ms, msg.rate_limit)
        self._note_refusals(now_ms)
        out = [*self._tell_refusals(now_ms), *self._tell_unread(now_ms, msg)]
        if self._farewell.begun:
            return [*out, *self._statement.book(now_ms, unclaimed), *self._farewell.step(now_ms, msg)]
        return [
            *out,
            *self._consent(now_ms, msg),
            *self._recovery.unclaimed(now_ms, unclaimed),
            *self._recovery.step(now_ms, msg),
            *self._tie_out.step(now_ms, msg),
        ]

    def resume(self, now_ms: int) -> list[Any]:
        return self._recovery.resume(now_ms)

    def fault(self, now_ms: int) -> Reason | None:
        return Reason.UNCONFIRMED if self._unconfirmed else self._recovery.fault

    def lists(self, coin: str) -> bool:
        return self.exchange.lists(coin)

    def effects(self, now_ms: int, decided: int) -> list[Effect]:
        """Requests beyond the decided ones are repeated cancels and those of a sweep: they count as well."""
        effects = self.exchange.effects()
        self._unsent += decided - sum(size_of(effect.action) for effect in effects if isinstance(effect, Send))
        if self._unsent < 0:
            self.planner.note_sent(now_ms, "", 0, -self._unsent)
        if self._unsent < 0 or not self.exchange.waiting:
            self._unsent = 0
        return self._farewell.effects(now_ms) if self._farewell.begun and not effects else effects

    def _note_refusals(self, now_ms: int) -> None:
        """The venue says that the budget is empty."""
        counters = (self.exchange.rejects, self.exchange.cancel_refusals)
        refused = [counter[Reason.REQUEST_BUDGET] for counter in counters]
        for cancels, (before, now) in enumerate(zip(self._refused, refused, strict=True)):
            if now > before:
                self.planner.note_refused(now_ms, cancels=bool(cancels))
        self._refused = refused

    def _tell_refusals(self, now_ms: int) -> list[Any]:
        """Orders that cannot be taken away are somebody's business: the key may have been revoked."""
        count = self.exchange.cancel_refusals.total()
        if count == self._told_refusals or now_ms < self._next_refusal_line_ms:
            return []
        self._told_refusals, self._next_refusal_line_ms = count, now_ms + REJECT_LINE_EVERY_MS
        return [lines.cancels_refused(count, self.exchange.cancel_refusal)]

    def _tell_unread(self, now_ms: int, msg: Any) -> list[Any]:
        """Nothing else would say why the books are not compared."""
        if not isinstance(msg, StateUnread) or now_ms < self._next_unread_line_ms:
            return []
        self._next_unread_line_ms = now_ms + UNREAD_LINE_EVERY_MS
        return [lines.unread(msg.reason)]

    # ---- consent ----

    def _consent(self, now_ms: int, msg: Any) -> list[Any]:
        out: list[Any] = []
        if isinstance(msg, Confirmation):
            self._confirmation, self._unconfirmed = msg, ""
            out.append(lines.confirmed(self._account, msg.without, msg.expires_ms))
        if self._confirmation is None:
            return out
        before, self._unconfirmed = self._unconfirmed, time_fault(self._confirmation, now_ms) or ""
        return [*out, lines.unconfirmed(self._unconfirmed)] if self._unconfirmed != before else out

    # ---- the end ----

    @property
    def closed(self) -> bool:
        return self._farewell.closed

    def close(self, now_ms: int) -> list[Any]:
        self._farewell.begin()
        return []

    # ---- what is shown ----

    def status(self, now_ms: int) -> LiveStatus:
        confirmation, tie_out, baseline = self._confirmation, self._tie_out, self._statement.baseline
        return LiveStatus(
            account=self._account,
            phase=self._recovery.phase,
            refused=self._recovery.refusal,
            confirmed_until_ms=confirmation.expires_ms if confirmation else 0,
            without=confirmation.without if confirmation else (),
            unknown_orders=self.exchange.unknown,
            rejects={str(reason): count for reason, count in self.exchange.rejects.items()},
            errors=dict(self.exchange.errors),
            faults={action: dict(by_how) for action, by_how in self.exchange.faults.items()},
            dark_fills=self._bookkeeper.dark_fills,
            tied_out_ms=tie_out.proven_ms or (baseline.proven_ms if baseline else 0),
            untied=tie_out.differences,
            leaving_since_ms=self.exchange.leaving_since_ms,
            budget=self.planner.status(now_ms),
        )
