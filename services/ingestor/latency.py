"""The latency auditor: how long frames take from the socket to the bus."""

from collections import deque
from collections.abc import Iterable
from math import ceil

WINDOW = 10_000


class LatencyAuditor:
    """The last 10,000 samples; they are sorted when a report is asked for, once a second, never per frame."""

    def __init__(self) -> None:
        self._samples_ms: deque[float] = deque(maxlen=WINDOW)

    def add(self, latencies_ms: Iterable[float]) -> None:
        self._samples_ms.extend(latencies_ms)

    def report(self) -> tuple[float, float, int]:
        """P95, P99 (both 0.0 without samples) and the number of samples."""
        ordered = sorted(self._samples_ms)
        return nearest_rank(ordered, 0.95), nearest_rank(ordered, 0.99), len(ordered)


def nearest_rank(ordered: list[float], quantile: float) -> float:
    """The smallest sample that at least `quantile` of all samples do not exceed; 0.0 without samples."""
    return ordered[ceil(quantile * len(ordered)) - 1] if ordered else 0.0
