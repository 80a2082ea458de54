"""How often something happened in the last hour, each occurrence counted once."""

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


class HourCount:
    """Sixty-one buckets of a minute; a repeat falls into the bucket of its original and is recognised there."""

    def __init__(self) -> None:
        self._buckets: dict[int, set[str]] = {}

    def add(self, key: str, time_ms: int, now_ms: int) -> None:
        if time_ms <= now_ms - HOUR_MS:
            return
        minute = time_ms // MINUTE_MS
        self._buckets.setdefault(minute, set()).add(key)

    def total(self, now_ms: int) -> int:
        oldest = (now_ms - HOUR_MS) // MINUTE_MS
        for minute in [minute for minute in self._buckets if minute < oldest]:
            del self._buckets[minute]
        return sum(len(keys) for keys in self._buckets.values())
