"""What a `resume` has forgiven does not stop everything once more."""

from typing import Any

from services.guard.rules import Resumed
from shared.messages import AccountStatus

REBASE_MS = 60_000
"""Time for the executor to begin new budgets after a `resume`; then its old ones count again."""


class Forgiven:
    """Tells statuses that still count what was lost before the last halt was ended."""

    def __init__(self) -> None:
        self._resumed_ms = 0

    def hear(self, msg: Any) -> None:
        if isinstance(msg, Resumed):
            self._resumed_ms = max(self._resumed_ms, msg.time_ms)

    def covers(self, now_ms: int, status: AccountStatus) -> bool:
        return status.day_start_ms < self._resumed_ms and now_ms - self._resumed_ms < REBASE_MS
