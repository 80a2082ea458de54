"""Feed silence: without frames our quotes are blind, whoever is to blame."""


class StallWatch:
    """Watches the time of the newest frame, as told by the ingestor's health and by what it published.

    Both are needed: a dead ingestor reports nothing, a blind one reports an old frame again and again.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_ms = timeout_s * 1000
        self._last_ms = 0.0
        self.stalled = False
        self.since_ms = 0.0
        """When the last stall was declared; only what was received after it is fresh."""

    def restart(self, now_ms: float) -> None:
        """Begin to count now: nothing could be heard before."""
        self._last_ms = max(self._last_ms, now_ms)

    def heard(self, received_ms: float) -> bool:
        """Note a frame; True when it ends a stall."""
        self._last_ms = max(self._last_ms, received_ms)
        if not self.stalled or received_ms <= self.since_ms:
            return False
        self.stalled = False
        return True

    def overdue(self, now_ms: float) -> bool:
        """True once, when the silence has lasted longer than the timeout."""
        if self.stalled or now_ms - self._last_ms <= self._timeout_ms:
            return False
        self.stalled, self.since_ms = True, now_ms
        return True
