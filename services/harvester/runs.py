"""Which run a thing belongs to: what the streams still hold may be of an earlier one."""

from shared.messages import AccountState, AccountStatus, Mode


class Runs:
    """Knows the session that stood in Redis when this process began; what came later is of our own run."""

    def __init__(self, own: str) -> None:
        self._own = own
        self._began_ms = 0
        self._found: dict[Mode, AccountState] = {}

    def restore(self, now_ms: int, state: AccountState) -> None:
        self._began_ms = now_ms
        self._found[state.mode] = state

    def at(self, mode: Mode, time_ms: int) -> str:
        """The run in which something happened; empty when that is not known."""
        found = self._found.get(mode)
        if found is None or time_ms >= self._began_ms:
            return self._own
        return found.run_id if time_ms >= found.session_start_ms else ""

    def of(self, status: AccountStatus) -> str:
        """The run of an account's session."""
        found = self._found.get(status.mode)
        if found is None or status.session_start_ms > found.session_start_ms:
            return self._own
        return found.run_id if status.session_start_ms == found.session_start_ms else ""
