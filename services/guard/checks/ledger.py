"""The account at the venue against our books, as the executor compares them: differences, and what a person has
to look at. The executor quotes nothing there by itself; these rules make it known, and permanent."""

from typing import Any, ClassVar

from services.guard.config import GuardConfig
from services.guard.rules import Reading, Resumed, Rule
from shared.messages import AccountStatus, Reason

JUDGED = ("ready", "refused")
"""Phases of the executor's recovery in which it knows how the account stands to its books."""


class LedgerMismatch:
    """For how long a position, or the cash, has differed from the venue's for no known reason. An executor that is
    still reading the account has not found them equal. A `resume` gives it the same time again for that."""

    rule = Rule(
        name="ledger_mismatch",
        about="time that books and venue have differed without an explanation",
        scope="all",
        level="halt",
        reason=Reason.LEDGER_MISMATCH,
        unit="s",
        limit="ledger_mismatch_s",
    )
    remembers: ClassVar = {
        "_since_ms": int | None,
        "_resumed_ms": int,
        "_lasted_s": float | None,
        "_untied": dict[str, str],
    }

    def __init__(self, config: GuardConfig) -> None:
        self._limit_s = config.ledger_mismatch_s
        self._since_ms: int | None = None
        self._resumed_ms = 0
        self._lasted_s: float | None = None
        self._untied: dict[str, str] = {}

    def hear(self, now_ms: int, msg: Any) -> None:
        if isinstance(msg, Resumed):
            if msg.time_ms > self._resumed_ms:
                self._resumed_ms, self._lasted_s = msg.time_ms, None
        elif isinstance(msg, AccountStatus) and msg.live is not None:
            if msg.live.untied or msg.live.phase in JUDGED:
                self._untied = msg.live.untied
            if not self._untied:
                self._since_ms = None
            elif self._since_ms is None:
                self._since_ms = msg.time_ms
            begun_ms = msg.time_ms if self._since_ms is None else max(self._since_ms, self._resumed_ms)
            self._lasted_s = max(msg.time_ms - begun_ms, 0) / 1000

    def read(self, now_ms: int) -> Reading:
        detail = "; ".join(f"{coin or 'account'}: {text}" for coin, text in self._untied.items())
        fired = self._lasted_s is not None and self._lasted_s > self._limit_s
        return Reading(self._lasted_s, self._limit_s, fired, detail=detail)


class ForeignOrders:
    """What stopped the executor's recovery: orders of another hand, differences that do not go away. It fires
    until a `resume` lets the executor look again."""

    rule = Rule(
        name="foreign_orders",
        about="things on the account that a person has to look at",
        scope="all",
        level="pull",
        reason=Reason.FOREIGN_ORDERS,
        unit="things",
        limit="foreign_orders",
    )
    remembers: ClassVar = {"_refused": tuple[str, ...] | None}

    def __init__(self, config: GuardConfig) -> None:
        self._limit = config.foreign_orders
        self._refused: tuple[str, ...] | None = None

    def hear(self, now_ms: int, msg: Any) -> None:
        if isinstance(msg, AccountStatus) and msg.live is not None:
            self._refused = msg.live.refused if msg.live.phase == "refused" else ()

    def read(self, now_ms: int) -> Reading:
        if self._refused is None:
            return Reading(None, self._limit)
        found = len(self._refused)
        return Reading(found, self._limit, fired=found >= self._limit, detail="; ".join(self._refused))
