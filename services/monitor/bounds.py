"""Labels stay few, whatever the streams say: each value is a series that Prometheus keeps for weeks.

Coins of the universe and our services are known beforehand. Of everything else, such as a coin that the universe
has lost, the first values count, and only such as look like a name; what is beyond that is not shown.
"""

import re
from collections.abc import Collection, Iterable, Iterator

from services import SERVICES
from services.monitor.risk import EVERYTHING
from shared.metrics import GridMetric

MOST_VALUES = 64
"""Of a label of a metric, beside those known beforehand."""
_NAME = re.compile(r"[A-Za-z0-9_.:+/ %-]{1,40}")
Sample = tuple[tuple[str, ...], float]


class Bounds:
    """Remembers which values each label of each metric has had."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], set[str]] = {}

    def within(self, metric: GridMetric, samples: Iterable[Sample], coins: Collection[str]) -> Iterator[Sample]:
        for sample in samples:
            values = zip(metric.labels, sample[0], strict=True)
            if all(self._admits(metric.name, label, value, coins) for label, value in values):
                yield sample

    def _admits(self, name: str, label: str, value: str, coins: Collection[str]) -> bool:
        if label == "service":
            return value in SERVICES
        if label == "asset" and (value in coins or value == EVERYTHING):
            return True
        seen = self._seen.setdefault((name, label), set())
        if value not in seen and len(seen) < MOST_VALUES and _NAME.fullmatch(value):
            seen.add(value)
        return value in seen
