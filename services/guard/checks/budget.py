"""How much wider quotes must be so that the request budget lasts: the executor's word, carried by the leases.

The executor counts and plans the requests (`RequestBudget.widening`); spreads follow from here, because a quote
that stands farther away is replaced less often.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

from services.guard.config import GuardConfig
from services.guard.rules import Reading, Rule
from shared.messages import AccountStatus, Event, Reason, Severity

STEP = 0.05
"""A smaller change moves no quote: each of them would be a request."""
TOLD_MS = 60_000
"""So long the last word counts. After it nobody trades, and whoever begins again says it anew."""


class RequestBudget:
    """Spreads by the executor's factor, 1 or more; 1 in shadow, where requests cost nothing."""

    rule = Rule(
        "request_budget", "wider for want of requests", "all", "widen", Reason.REQUEST_BUDGET, "x more", ""
    )
    remembers: ClassVar = {"_factor": float, "_told_ms": int | None}

    def __init__(self, config: GuardConfig) -> None:
        self._factor = 1.0
        self._told_ms: int | None = None
        self._lines: list[Event] = []

    def hear(self, now_ms: int, msg: Any) -> None:
        """Follow the executor in steps; while it does not know its budget the last word stands."""
        budget = msg.live.budget if isinstance(msg, AccountStatus) and msg.live is not None else None
        if budget is None or budget.mode == "unknown":
            return
        before, wanted = self._now(now_ms), max(budget.widening, 1.0)
        self._told_ms = max(self._told_ms or 0, msg.time_ms)
        moved = abs(wanted - before) >= STEP or wanted == 1.0
        self._factor = wanted if moved else before
        if self._factor != before:
            text = (
                f"Spreads {before:.2f}x → {self._factor:.2f}x: {budget.left:,} requests left,"
                f" {budget.headroom_frac:.0%} of a full budget."
            )
            level: Severity = "warning" if self._factor > before else "info"
            self._lines.append(Event(level=level, tag="BUDGET", text=text))

    def read(self, now_ms: int) -> Reading:
        factor = self._now(now_ms)
        return Reading(factor - 1.0, STEP, factor > 1, spread=factor)

    def lines(self, now_ms: int) -> Iterable[Event]:
        lines, self._lines = self._lines, []
        return lines

    def _now(self, now_ms: int) -> float:
        known = self._told_ms is not None and now_ms - self._told_ms <= TOLD_MS
        return self._factor if known else 1.0
