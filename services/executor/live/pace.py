"""Requests of many coins become one where there are many: each weighs on the limit of our IP address."""


class TokenBucket:
    """Holds up to `burst` tokens and gains `per_s` each second; starts full. Times in ms: from a clock that is set
    back it goes on."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_ms, self._burst = per_s / 1000, burst
        self._tokens = burst
        self._at_ms = 0

    def take(self, now_ms: int, amount: int) -> bool:
        """Spend, if there is enough."""
        if self._filled(now_ms) < amount:
            return False
        self._tokens -= amount
        return True

    def _filled(self, now_ms: int) -> float:
        self._tokens = min(self._tokens + max(now_ms - self._at_ms, 0) * self._per_ms, self._burst)
        self._at_ms = now_ms
        return self._tokens
