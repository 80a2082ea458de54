"""When to try the venue again: jittered exponential backoff inside the venue's limits.

Per address the venue allows 30 new connections and 2000 client messages a minute, shared with whatever else
runs there. We stay below both however often it drops us.
"""

from collections import deque
from random import Random

FIRST_S = 1.0
LONGEST_S = 30.0
STEADY_MS = 30_000
"""A connection that lasted so long starts the backoff over."""
CONNECTIONS_PER_MINUTE = 20
MESSAGES_PER_MINUTE = 1800
_MINUTE_MS = 60_000


class Pace:
    """Counts failures and connections; `now_ms` seeds the jitter, so equal inputs give equal delays."""

    def __init__(self) -> None:
        self._failures = 0
        self._opened_ms: deque[int] = deque()

    def opened(self, now_ms: int) -> None:
        self._opened_ms.append(now_ms)

    def succeeded(self) -> None:
        self._failures = 0

    def delay_s(self, now_ms: int, messages_per_connection: int) -> float:
        """Seconds to wait after a failure."""
        longest_s = min(LONGEST_S, FIRST_S * 2.0 ** min(self._failures, 10))
        self._failures += 1
        backoff_s = longest_s * Random(now_ms).uniform(0.5, 1.0)
        return max(backoff_s, self._allowance_s(now_ms, messages_per_connection))

    def _allowance_s(self, now_ms: int, messages_per_connection: int) -> float:
        limit = max(1, min(CONNECTIONS_PER_MINUTE, MESSAGES_PER_MINUTE // max(messages_per_connection, 1)))
        while self._opened_ms and self._opened_ms[0] <= now_ms - _MINUTE_MS:
            self._opened_ms.popleft()
        if len(self._opened_ms) < limit:
            return 0.0
        return (self._opened_ms[-limit] + _MINUTE_MS - now_ms) / 1000
