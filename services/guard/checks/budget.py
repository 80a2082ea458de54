"""How much wider quotes must be so that the request budget lasts: the executor's word, carried by the leases.

The executor counts and plans the requests (`RequestBudget.widening`); spreads follow from here, because a quote
that stands farther away is replaced less often.
"""

from collections.abc import Iterable

from shared.messages import AccountStatus, Event

STEP = 0.05
"""A smaller change moves no quote: each of them would be a request."""
TOLD_MS = 60_000
"""So long the last word counts. After it nobody trades, and whoever begins again says it anew."""


class Widening:
    """Factor on spreads, 1 or more; 1 in shadow, where requests cost nothing."""

    def __init__(self) -> None:
        self._factor = 1.0
        self._told_ms: int | None = None

    def factor(self, now_ms: int) -> float:
        known = self._told_ms is not None and now_ms - self._told_ms <= TOLD_MS
        return self._factor if known else 1.0

    def learn(self, now_ms: int, status: AccountStatus) -> Iterable[Event]:
        """Follow the executor in steps; while it does not know its budget the last word stands."""
        budget = status.live.budget if status.live is not None else None
        if budget is None or budget.mode == "unknown":
            return
        before, wanted = self.factor(now_ms), max(budget.widening, 1.0)
        self._told_ms = max(self._told_ms or 0, status.time_ms)
        moved = abs(wanted - before) >= STEP or wanted == 1.0
        self._factor = wanted if moved else before
        if self._factor != before:
            text = (
                f"Spreads {before:.2f}x → {self._factor:.2f}x: {budget.left:,} requests left,"
                f" {budget.headroom_frac:.0%} of a full budget."
            )
            yield Event(level="warning" if self._factor > before else "info", tag="BUDGET", text=text)
