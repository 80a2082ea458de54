"""What a `resume` has forgiven does not stop everything once more."""

from typing import Any

from shared.messages import AccountStatus, Command

REBASE_MS = 60_000
"""Time for the executor to begin new budgets after a `resume`; then its old ones count again."""


class Resumed:
    """Tells statuses that still count what was lost before the last `resume` of what had fired."""

    def __init__(self) -> None:
        self._since_ms = 0

    def hear(self, msg: Any, *, fired: bool) -> bool:
        """True where something is forgiven now; a `resume` of anything else changes no budget of the executor."""
        if not fired or not isinstance(msg, Command) or msg.action != "resume":
            return False
        self._since_ms = max(self._since_ms, msg.time_ms)
        return True

    def forgives(self, now_ms: int, status: AccountStatus) -> bool:
        return status.day_start_ms < self._since_ms and now_ms - self._since_ms < REBASE_MS
