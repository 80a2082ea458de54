"""How often something happened in the last hour, each occurrence counted once."""

from typing import ClassVar

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


class HourCount:
    """Sixty-one buckets of a minute; a repeat falls into the bucket of its original and is recognised there."""

    remembers: ClassVar = {"by_minute": dict[int, int]}

    def __init__(self) -> None:
        self._buckets: dict[int, set[str]] = {}
        self._remembered: dict[int, int] = {}
        """What was counted before we began; the streams bring the newest of it once more."""

    def add(self, key: str, time_ms: int, now_ms: int) -> None:
        if time_ms <= now_ms - HOUR_MS:
            return
        minute = time_ms // MINUTE_MS
        self._buckets.setdefault(minute, set()).add(key)

    def total(self, now_ms: int) -> int:
        oldest = (now_ms - HOUR_MS) // MINUTE_MS
        for counts in (self._buckets, self._remembered):
            for minute in [minute for minute in counts if minute < oldest]:
                del counts[minute]
        return sum(self.by_minute.values())

    @property
    def by_minute(self) -> dict[int, int]:
        counts = dict(self._remembered)
        for minute, keys in self._buckets.items():
            counts[minute] = max(counts.get(minute, 0), len(keys))
        return counts

    @by_minute.setter
    def by_minute(self, counts: dict[int, int]) -> None:
        self._remembered = dict(counts)
