"""What a `resume` has forgiven does not stop everything once more."""

from typing import Any

from services.guard.rules import Resumed
from shared.messages import AccountStatus

REBASE_MS = 60_000
"""Time for the executor to begin new budgets after a `resume`; then its old ones count again."""


class CountingStatus:
    """The executor's newest word, unless it still counts what was lost before the last halt was ended."""

    def __init__(self) -> None:
        self._newest: AccountStatus | None = None
        self._resumed_ms = 0

    def hear(self, msg: Any) -> None:
        if isinstance(msg, AccountStatus):
            self._newest = msg
        elif isinstance(msg, Resumed):
            self._resumed_ms = max(self._resumed_ms, msg.time_ms)

    def at(self, now_ms: int) -> AccountStatus | None:
        status, resumed_ms = self._newest, self._resumed_ms
        forgiven = status is not None and status.day_start_ms < resumed_ms and now_ms - resumed_ms < REBASE_MS
        return None if forgiven else status
