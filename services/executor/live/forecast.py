"""How fast the request budget is spent and earned, and how good our forecast of it has been."""

from dataclasses import dataclass
from math import exp

RATE_TAU_S = 1_800.0
LEAST_HISTORY_S = 300.0
"""The first minutes are taken for five: one early fill is not a rate."""
FORECAST_MS = 600_000
HOUR_S = 3_600.0


class Rate:
    """Events an hour, exponentially forgotten (time constant half an hour)."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._since_ms: int | None = None
        self._at_ms = 0

    def add(self, now_ms: int, amount: float) -> None:
        if self._since_ms is None:
            self._since_ms = self._at_ms = now_ms
        self._forget(now_ms)
        self._sum += amount

    def start(self, now_ms: int) -> None:
        """Nothing happened until now: the count begins here."""
        self.add(now_ms, 0.0)

    def per_hour(self, now_ms: int) -> float:
        """The sum over the part of the memory that has been lived through."""
        if self._since_ms is None:
            return 0.0
        self._forget(now_ms)
        lived_s = max((self._at_ms - self._since_ms) / 1000, LEAST_HISTORY_S)
        return self._sum / (RATE_TAU_S * (1 - exp(-lived_s / RATE_TAU_S))) * HOUR_S

    def _forget(self, now_ms: int) -> None:
        if now_ms > self._at_ms:
            self._sum *= exp((self._at_ms - now_ms) / 1000 / RATE_TAU_S)
            self._at_ms = now_ms


def hours_to_empty(free_requests: float, spent_per_hour: float, earned_per_hour: float) -> float | None:
    """Until nothing is free at these rates; None: it is not getting less. What is empty is so whatever the rates:
    they are those of a time when orders could still be placed, and earn."""
    if free_requests <= 0:
        return 0.0
    net = spent_per_hour - earned_per_hour
    return free_requests / net if net > 0 else None


@dataclass(frozen=True, slots=True)
class Score:
    """Forecasts of requests left ten minutes ahead, against what the venue said then."""

    forecasts: int = 0
    bias_requests: float = 0.0
    """Mean of actual - forecast; + when more was left."""
    error_requests: float = 0.0
    """Mean of |actual - forecast|."""
    error_frac: float = 0.0
    """Σ|actual - forecast| / Σ requests forecast to be spent and earned."""


@dataclass(frozen=True, slots=True)
class _Open:
    at_ms: int
    left: int
    spent_per_hour: float
    earned_per_hour: float


class Forecast:
    """One forecast at a time: that the present rates go on."""

    def __init__(self) -> None:
        self._open: _Open | None = None
        self._count = 0
        self._sum = self._abs_sum = self._moved = 0.0

    def observe(self, now_ms: int, left: int, spent_per_hour: float, earned_per_hour: float) -> None:
        """`left` as the venue has it, rates as measured until now."""
        if self._open is not None:
            if now_ms - self._open.at_ms < FORECAST_MS:
                return
            self._settle(self._open, now_ms, left)
        made = _Open(now_ms, left, spent_per_hour, earned_per_hour)
        self._open = made if spent_per_hour or earned_per_hour else None  # without rates it would say nothing

    def _settle(self, made: _Open, now_ms: int, left: int) -> None:
        hours = (now_ms - made.at_ms) / 1000 / HOUR_S
        expected = max(made.left + (made.earned_per_hour - made.spent_per_hour) * hours, 0.0)
        self._count += 1
        self._sum += left - expected
        self._abs_sum += abs(left - expected)
        self._moved += (made.earned_per_hour + made.spent_per_hour) * hours

    @property
    def score(self) -> Score:
        if not self._count:
            return Score()
        return Score(
            self._count,
            self._sum / self._count,
            self._abs_sum / self._count,
            self._abs_sum / self._moved if self._moved else 0.0,
        )
